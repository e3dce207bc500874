// What looks like a leak.
import {command, failed, h, name, notice, section} from '../dom.js';
import {bytes, count, percent, plural} from '../format.js';

const ROLES = {grows: 'filled by', shrinks: 'emptied by', replaces: 'set by', item: 'items of', uses: 'used by'};

export function suspects(report) {
  const found = report.suspects;
  if (found.error) return section('suspects', 'Leak suspects', null, failed(found));
  const lead = 'Objects on which many similar ones hang, while code that is alive puts more there and none takes them out.';
  if (found.suspects.length === 0) {
    return section('suspects', 'Leak suspects', lead,
      notice(report.files.length > 1
        ? 'No suspects: nothing that accumulates has grown over these captures.'
        : 'No suspects: nothing has accumulated that code goes on filling. A later capture of the same process would show growth.'));
  }
  const more = found.count - found.suspects.length;
  return section('suspects', 'Leak suspects', lead,
    h('ol', {class: 'suspects'}, found.suspects.map(card)),
    more > 0 && notice(`${plural(more, 'more suspect')}: v8mini suspects --limit 0 shows all.`));
}

function card(suspect) {
  return h('li', {class: 'card'},
    h('h3', {}, count(suspect.count), ' × ', name(suspect.items), suspect.arrangement === 'chain' ? ' in a chain at ' : ' in one ', name(suspect.class)),
    h('p', {class: 'weight'}, bytes(suspect.retained_bytes), ' retained, ', h('strong', {}, percent(suspect.live_part)), ' of all that is alive',
      (suspect.counts || []).length > 1 && [' · grew ', suspect.counts.map((number) => count(number)).join(' → ')]),
    h('dl', {class: 'facts'},
      h('dt', {}, 'Where'), h('dd', {}, name(suspect.class), ' ', h('code', {}, suspect.address)),
      h('dt', {}, 'Held by'), h('dd', {}, path(suspect.holder)),
      suspect.code.map((code) => [h('dt', {}, ROLES[code.role] || 'used by'),
        h('dd', {}, name(code.function === '' ? '(anonymous function)' : code.function), code.location && [' ', h('code', {class: 'place'}, code.location)],
          code.line && h('pre', {}, h('code', {}, code.line.trim())))]),
      suspect.contents.length > 0 && [h('dt', {}, 'Contents'), h('dd', {}, h('ul', {class: 'plain'}, suspect.contents.map((content) =>
        h('li', {}, count(content.count), ' × ', name(content.class), ', ', bytes(content.shallow_bytes)))))],
      suspect.reasons.length > 0 && [h('dt', {}, 'Because'), h('dd', {}, h('ul', {class: 'plain'}, suspect.reasons.map((reason) => h('li', {}, h('bdi', {}, reason)))))],
      h('dt', {}, 'Go on with'), h('dd', {class: 'commands'}, suspect.next.map(command))));
}

function path(holder) {
  const steps = [h('span', {class: 'step root'}, holder.root), h('span', {class: 'step'}, name(holder.class))];
  for (const step of holder.steps) {
    const link = {element: `[${step.name}]`, context: `variable ${step.name}`, property: `.${step.name}`}[step.kind] || step.name;
    steps.push(h('span', {class: 'step', title: step.address}, h('span', {class: 'link'}, h('bdi', {}, link)), ' ', name(step.class, 60)));
  }
  return h('span', {class: 'path'}, steps);
}
