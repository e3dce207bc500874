// What grew from capture to capture.
import {scaleLinear} from 'd3-scale';
import {line} from 'd3-shape';
import {failed, h, name, notice, section, svg} from '../dom.js';
import {bytes, bytesText, count, grouped, moment, seconds} from '../format.js';
import {table} from '../table.js';

/** Classes that the chart shows. */
const LINES = 6;
const WIDTH = 760, HEIGHT = 300, LEFT = 76, RIGHT = 16, TOP = 12, BOTTOM = 34;

export function growth(report) {
  const found = report.growth;
  if (!found) return null;
  if (found.error) return section('growth', 'Growth', null, failed(found));
  const {captures, rows} = found;
  const grown = rows.filter((row) => row.growth_bytes > 0).slice(0, LINES);
  const times = captures.map((capture) => capture.captured_at_ns / 1e6);
  const timed = times.every((time, index) => time > 0 && (index === 0 || time > times[index - 1]));
  const totals = {name: 'everything', shallow_bytes: captures.map((capture) => capture.shallow_bytes)};
  const lead = `${captures.length} captures`
    + (timed ? ` over ${seconds((times[times.length - 1] - times[0]) / 1000)}` : '')
    + `: ${count(found.totals.growth_count, true)} objects in all, dead ones that are not yet swept included.`;
  const many = captures.length > 2;
  return section('growth', 'Growth', lead,
    grown.length === 0 ? notice('No class has grown.') : chart([totals, ...grown], timed ? times : null),
    h('details', {open: true}, h('summary', {}, 'Captures'), h('ol', {class: 'captures'}, captures.map((capture) => h('li', {},
      h('bdi', {class: 'file'}, capture.file), capture.captured_at_ns > 0 && h('span', {class: 'none'}, moment(capture.captured_at_ns / 1e6)),
      h('span', {}, `${grouped(capture.objects)} objects, `, bytes(capture.shallow_bytes)))))),
    rows.length === 0 ? notice('The captures have the same objects.') : table({
      label: 'Growth by class', rows, sort: 'growth', search: (row) => row.name, page: 20,
      choices: {Grew: (row) => row.growth_bytes > 0, Shrank: (row) => row.growth_bytes < 0, All: () => true},
      columns: [
        {id: 'name', title: 'Class', wide: true, value: (row) => row.name, cell: (row) => [name(row.name), row.role !== 'main' && h('span', {class: 'tag'}, row.role)]},
        {id: 'trend', title: 'Count over time', value: (row) => row.growth_count, cell: (row) => spark(row.counts)},
        {id: 'counts', title: 'Count', number: true, value: (row) => row.counts[row.counts.length - 1], cell: (row) => count(row.counts[row.counts.length - 1])},
        {id: 'more', title: 'Count +', number: true, value: (row) => row.growth_count, cell: (row) => count(row.growth_count, true)},
        {id: 'growth', title: 'Bytes +', number: true, value: (row) => row.growth_bytes, cell: (row) => bytes(row.growth_bytes, true)},
        ...(timed ? [{id: 'speed', title: 'An hour', number: true, value: (row) => row.bytes_per_hour, cell: (row) => bytes(row.bytes_per_hour === null ? null : Math.round(row.bytes_per_hour), true)}] : []),
        ...(many ? [{id: 'verdict', title: 'Trend', short: true, value: (row) => row.verdict}] : []),
      ],
    }),
    found.totals.rows > rows.length && h('p', {class: 'note'}, `${grouped(found.totals.rows - rows.length)} more classes: v8mini diff --limit 0 shows all.`));
}

/** Bytes since the first capture, one line for each class. */
function chart(lines, times) {
  const last = lines[0].shallow_bytes.length - 1;
  const x = scaleLinear().domain(times ? [times[0], times[last]] : [0, last]).range([LEFT, WIDTH - RIGHT]);
  const at = (index) => x(times ? times[index] : index);
  const grownBy = lines.map((row) => row.shallow_bytes.map((value) => value - row.shallow_bytes[0]));
  const all = grownBy.flat();
  const low = Math.min(0, ...all), high = Math.max(1, ...all);
  // Steps of a power of two, so that the labels are round in binary units.
  let step = 1;
  while ((high - low) / step > 6) step *= 2;
  const y = scaleLinear().domain([Math.floor(low / step) * step, Math.ceil(high / step) * step]).range([HEIGHT - BOTTOM, TOP]);
  const ticks = [];
  for (let value = y.domain()[0]; value <= y.domain()[1]; value += step) ticks.push(value);
  const path = line((_, index) => at(index), (value) => y(value));
  // The captures are what there is to name; those that would stand in each other's way are left out.
  const marks = [];
  lines[0].shallow_bytes.forEach((_, index) => {
    const place = at(index);
    if (index > 0 && place - marks[marks.length - 1][0] < 90) return;
    marks.push([place, times ? clock(times[index], times[last] - times[0]) : `capture ${index + 1}`]);
  });
  return h('figure', {class: 'chart'}, h('figcaption', {}, 'Bytes more than in the first capture'),
    svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': 'Growth by class; the table below has the figures'},
      ticks.map((value) => svg('g', {class: value === 0 ? 'tick zero' : 'tick'},
        svg('line', {x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value)}),
        svg('text', {x: LEFT - 8, y: y(value), dy: '0.32em', 'text-anchor': 'end'}, bytesText(value)))),
      marks.map(([place, text]) => svg('g', {class: 'mark'}, svg('text', {x: place, y: HEIGHT - 10, 'text-anchor': place > WIDTH - 60 ? 'end' : 'middle'}, text))),
      grownBy.map((values, index) => svg('g', {class: index === 0 ? 'series total' : `series stroke-${(index - 1) % 8}`},
        svg('path', {d: path(values)}),
        values.map((value, place) => svg('circle', {cx: at(place), cy: y(value), r: 3.5},
          svg('title', {}, `${lines[index].name}, capture ${place + 1}: ${bytesText(value)} more`)))))),
    h('ul', {class: 'legend'}, lines.map((row, index) => h('li', {},
      h('span', {class: index === 0 ? 'swatch total' : `swatch color-${(index - 1) % 8}`, 'aria-hidden': 'true'}),
      h('span', {class: 'what'}, name(row.name, 50)), bytes(grownBy[index][last], true)))));
}

/** A time of day in UTC, and the day if they are more than one. */
function clock(time, span) {
  const text = new Date(time).toISOString();
  return span > 86400e3 ? `${text.slice(5, 10)} ${text.slice(11, 16)}` : text.slice(11, 19);
}

/** The counts of a class as a little line. */
function spark(counts) {
  const width = 72, height = 18;
  const low = Math.min(...counts), high = Math.max(...counts);
  const x = scaleLinear().domain([0, counts.length - 1]).range([2, width - 2]);
  const y = scaleLinear().domain([low, high === low ? low + 1 : high]).range([height - 3, 3]);
  const text = counts.map((value) => grouped(value)).join(' → ');
  return svg('svg', {class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': text},
    svg('title', {}, text), svg('path', {d: line((_, index) => x(index), (value) => y(value))(counts)}),
    svg('circle', {cx: x(counts.length - 1), cy: y(counts[counts.length - 1]), r: 2}));
}
