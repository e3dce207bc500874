// What the commands of v8mini answer: see spec/json-schema.md of the project. Addresses are strings ("0x3818ef34eb99"), sizes are in
// bytes. Later versions may add fields and values of enumerations.

/// <reference types="node" />

export type Address = string;

/** How complete an answer is. */
export interface Coverage {
  /** Part of the walkable bytes that was walked, 0 to 1. */
  ratio: number;
  walked_bytes: number;
  walkable_bytes: number;
  unknown_bytes: number;
  missing_bytes: number;
  complete: boolean;
}

/** What every answer about the heap has. */
export interface Answer {
  coverage: Coverage;
  /** What must be known before the figures are believed. */
  warnings: string[];
}

/** Options of every command: those of the command line in camel case, and a signal that ends it. */
export interface Options {
  signal?: AbortSignal;
  /** The binary that a core is of, if it is not found. */
  exe?: string;
  force?: boolean;
  isolate?: number;
  [option: string]: string | number | boolean | readonly (string | number)[] | AbortSignal | undefined;
}

export interface Paged extends Options {
  /** 0 for all. */
  limit?: number;
  offset?: number;
}

export interface HistogramOptions extends Paged {
  by?: 'constructor' | 'shape' | 'type' | 'space';
  sort?: 'count' | 'size' | 'retained' | 'name';
  retained?: boolean;
  /** A regular expression. */
  filter?: string;
}

export interface HistogramRow {
  name: string;
  kind: string;
  count: number;
  shallow_bytes: number;
  retained_bytes?: number;
  example?: Address;
}

export interface Histogram extends Answer {
  by: string;
  includes_unreachable: boolean;
  rows: HistogramRow[];
  totals: { rows: number; count: number; shallow_bytes: number };
}

export interface Listed {
  address: Address;
  shallow_bytes: number;
  /** In one line, for people. */
  summary: string;
}

export interface Instances extends Answer {
  class: string;
  count: number;
  shallow_bytes: number;
  offset: number;
  instances: Listed[];
}

export interface FindOptions extends Paged {
  /** A regular expression. */
  string?: string;
  /** `NAME` or `NAME=VALUE`. */
  property?: string;
  size?: string;
  type?: string;
}

export interface Found extends Answer {
  count: number;
  shallow_bytes: number;
  offset: number;
  objects: Listed[];
}

export interface Retainer extends Listed {
  retained_bytes: number;
}

export interface Reachable extends Answer {
  live_objects: number;
  live_bytes: number;
  dead_objects: number;
  dead_bytes: number;
}

export interface Dominators extends Reachable {
  count: number;
  offset: number;
  dominators: Retainer[];
}

export interface Tree extends Reachable {
  node?: Address;
  count: number;
  offset: number;
  branches: (Retainer & { level: number; children: number })[];
}

export interface Garbage extends Reachable {
  rows: HistogramRow[];
  total_rows: number;
}

export interface Step {
  kind: string;
  name: string;
  repeats?: number;
  address: Address;
  class: string;
}

export interface PathOptions extends Options {
  /** All objects of a class. */
  type?: string;
  all?: boolean;
  limit?: number;
}

export interface Paths extends Answer {
  count: number;
  dead_objects: number;
  paths: {
    root: string;
    address: Address;
    class: string;
    steps: Step[];
    omitted: number;
    objects?: number;
    shallow_bytes?: number;
    summary: string;
  }[];
}

export interface RefsOptions extends Options {
  /** All objects that have a property of this name. */
  name?: string;
  /** All strings of this text. */
  string?: string;
  /** All objects of a class. */
  type?: string;
  recursive?: boolean;
  limit?: number;
}

export interface Reference {
  holder: Address;
  class: string;
  kind: string;
  name: string;
  target?: Address;
  value: string;
  referrers?: Reference[];
  seen?: boolean;
}

export interface Refs {
  count: number;
  includes_unreachable: boolean;
  references: Reference[];
}

export interface Suspect {
  /** The whole in a sentence. */
  title: string;
  address: Address;
  class: string;
  arrangement: string;
  items: string;
  count: number;
  retained_bytes: number;
  live_part: number;
  holder: { root: string; address: Address; class: string; steps: Step[]; path: string };
  code: { role: string; function: string; location: string | null; line?: string }[];
  contents: { class: string; count: number; shallow_bytes: number }[];
  reasons: string[];
  counts?: number[];
  next: string[];
}

export interface Suspects extends Answer {
  live_bytes: number;
  count: number;
  suspects: Suspect[];
}

export interface DiffRow {
  name: string;
  kind: string;
  role: string;
  counts: number[];
  shallow_bytes: number[];
  growth_count: number;
  growth_bytes: number;
  verdict: string;
  bytes_per_hour: number | null;
  last_share: number | null;
  example: Address | null;
}

export interface Diff {
  captures: { file: string; pid: number; node_version: string; captured_at_ns: number; objects: number; shallow_bytes: number }[];
  by: string;
  same_process: boolean;
  rows: DiffRow[];
  totals: { rows: number; growth_count: number; growth_bytes: number };
  warnings: string[];
}

export interface Waste extends Answer {
  includes_unreachable: boolean;
  categories: {
    category: string;
    title: string;
    count: number;
    wasted_bytes: number;
    examples: { address: Address; class: string; wasted_bytes: number; detail: string }[];
    next: string;
  }[];
}

export interface Frame {
  index: number;
  kind: string;
  pc: string;
  sp: string;
  fp: string | null;
  is_inlined: boolean;
  is_construct: boolean;
  is_guess: boolean;
  function: {
    name: string;
    closure: Address | null;
    shared: Address;
    file: string | null;
    line: number | null;
    column: number | null;
    is_exact: boolean;
    source: string | null;
  } | null;
  native: { symbol: string | null; name: string | null; offset: number; module: string } | null;
}

export interface Backtraces {
  threads: {
    tid: number;
    name: string;
    state: string;
    kind: 'main' | 'worker' | 'native';
    worker: number | null;
    isolate: string | null;
    complete: boolean;
    problems: string[];
    frames: Frame[];
  }[];
}

export interface Info extends Answer {
  process: { pid: number; name: string; executable: string; arguments: string[]; node_version: string; architecture: string };
  v8_version: string;
  capture: { captured_at: string; mode: string; redaction: string; pause_ns?: number; total_ns?: number; complete: boolean };
  isolates: { number: number; address: string; heap: string; tid: number; gc: string; pages: number; committed_bytes: number }[];
  threads: { tid: number; name: string; state: string; isolate: number | null }[];
  spaces: { space: string; pages: number; committed_bytes: number; object_bytes: number }[];
}

/** A value as `v8mini inspect` tells it: what else it has depends on its `kind`. */
export interface Value {
  kind: string;
  address?: Address;
  class?: string | null;
  value?: unknown;
  properties?: { name?: string; value: Value }[];
  elements?: { index: number; value: Value }[];
  [field: string]: unknown;
}

/** A capture (.v8mini) or an ELF core. */
export class Capture {
  constructor(file: string);
  readonly file: string;
  /** What `v8mini COMMAND FILE POSITIONALS… --OPTIONS… --json` answers. */
  query(command: string, positionals?: readonly (string | number)[], options?: Options): Promise<unknown>;
  info(options?: Options): Promise<Info>;
  histogram(options?: HistogramOptions): Promise<Histogram>;
  instances(type: string, options?: Paged): Promise<Instances>;
  inspect(address: Address, options?: Options): Promise<Value>;
  find(options: FindOptions): Promise<Found>;
  refs(address: Address, options?: RefsOptions): Promise<Refs>;
  refs(options: RefsOptions): Promise<Refs>;
  path(address: Address, options?: PathOptions): Promise<Paths>;
  path(options: PathOptions): Promise<Paths>;
  dominators(options?: Paged): Promise<Dominators>;
  tree(options?: Paged): Promise<Tree>;
  garbage(options?: Paged): Promise<Garbage>;
  waste(options?: Options): Promise<Waste>;
  bt(options?: Options): Promise<Backtraces>;
  /** What looks like a leak; with later captures of the same process, what grew counts for more. */
  suspects(...later: [...(Capture | string)[], Options] | (Capture | string)[]): Promise<Suspects>;
  /** What grew until later captures of the same process. */
  diff(...later: [...(Capture | string)[], Options] | (Capture | string)[]): Promise<Diff>;
  strings(options?: Options): Promise<Answer & Record<string, unknown>>;
  node(options?: Options): Promise<{ isolates: Record<string, unknown>[] }>;
  functions(options?: Paged): Promise<Answer & Record<string, unknown>>;
  scripts(options?: Paged): Promise<Answer & Record<string, unknown>>;
  source(what: string, options?: Options): Promise<Record<string, unknown>>;
  what(address: string, options?: Options): Promise<Record<string, unknown>>;
}

/** Opens a capture (.v8mini) or an ELF core. */
export function open(file: string): Capture;

/** What a capture was and what it cost. */
export interface Captured {
  file: string | null;
  pid: number;
  node_version: string;
  v8_version: string | null;
  mode: string;
  pause_ns: number;
  total_ns: number;
  raw_bytes: number;
  stored_bytes: number;
  pages: number;
  threads: number;
  complete: boolean;
  problems: { stage: string; message: string }[];
}

export interface CaptureOptions extends Options {
  mode?: string;
  maxPause?: number | string;
  redact?: 'strings' | 'all';
}

/** Captures a process into a file, as `v8mini-capture PID -o FILE` does. Linux only. */
export function capture(pid: number, file: string, options?: CaptureOptions): Promise<Captured>;

/** A program that failed. */
export class V8miniError extends Error {
  readonly command: string[];
  /** Exit status; null if a signal ended it. */
  readonly code: number | null;
  readonly stderr: string;
}
