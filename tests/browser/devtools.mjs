// Opens a heap snapshot in the DevTools that Chromium brings along, as a person would, and prints what the Memory panel shows as
// JSON: the row of the Summary view of each class that is named, an object of the first class, and the way to it.
//
//   node devtools.mjs CHROMIUM SNAPSHOT CLASS...
//
// Playwright cannot open the window of DevTools, but the port for remote debugging serves the same program to any page.
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {chromium} from 'playwright-core';

const [executablePath, file, ...classes] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'v8mini-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--remote-debugging-port=0'],
  // Rows that are out of sight are not in the page.
  viewport: {width: 1400, height: 1600},
  locale: 'en-US',
});
const seen = {classes: {}};
// The first error that DevTools reports is the end: what it shows then is worth nothing.
const {promise: complaint, reject: complain} = Promise.withResolvers();
try {
  await Promise.race([use(), complaint]);
} finally {
  await browser.close();
  rmSync(profile, {recursive: true, force: true});
}
console.log(JSON.stringify(seen));

async function use() {
  const page = await devtools();
  await load(page);
  for (const name of classes) seen.classes[name] = await summary(page, name);
  seen.object = await firstObject(page, classes[0]);
}

/** DevTools in a page, showing the Memory panel of another page. */
async function devtools() {
  const host = `127.0.0.1:${readFileSync(join(profile, 'DevToolsActivePort'), 'utf8').split('\n', 1)[0]}`;
  const targets = await (await fetch(`http://${host}/json/list`)).json();
  const {id} = targets.find(({type}) => type === 'page');
  const page = await browser.newPage();
  // Less than the tests wait, but machines may have other things to do.
  page.setDefaultTimeout(60_000);
  page.on('console', (message) => {
    // The port serves no icon.
    if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico')) complain(new Error(message.text()));
  });
  page.on('pageerror', complain);
  await page.goto(`http://${host}/devtools/devtools_app.html?ws=${host}/devtools/page/${id}&panel=heap-profiler`);
  return page;
}

async function load(page) {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', {name: 'Load profile'}).last().click();
  await (await chooser).setFiles(file);
  // While it is read, how far that is follows its name; then, its size.
  await page.getByRole('treeitem', {name: /, [\d.,]+\s[kMG]?B$/}).click();
  await page.getByText(/^[\d,]+ objects \(/).waitFor();
}

/** The row of a class, found with the filter. */
async function summary(page, name) {
  const filter = page.locator('.toolbar-filter [contenteditable]').first();
  await filter.fill(name);
  const row = await rowOf(page, name);
  const [cell, , shallow, retained] = await row.locator('td').all();
  const count = cell.locator('.objects-count');
  const size = (cell) => cell.locator('[title]').first().getAttribute('title');
  return {
    // Of what there is one, no number is shown.
    count: await count.count() ? number(await count.textContent()) : 1,
    shallow: await size(shallow),
    retained: await size(retained),
  };
}

/** Waits for the row that is about this class, rather than one whose name contains its name. */
async function rowOf(page, name) {
  const rows = page.locator('tr.data-grid-data-grid-node');
  for (const end = Date.now() + 60_000; Date.now() < end; await page.waitForTimeout(50)) {
    const names = await rows.locator('td.object-column').evaluateAll((cells) => cells.map((cell) => cell.firstChild?.textContent));
    const index = names.indexOf(name);
    if (index >= 0) return rows.nth(index);
  }
  throw new Error(`the Summary view has no class ${name}`);
}

/** What stands below a class when it is unfolded, and the retainers of the first that does. */
async function firstObject(page, name) {
  await page.locator('.toolbar-filter [contenteditable]').first().fill(name);
  await (await rowOf(page, name)).click();
  await page.keyboard.press('ArrowRight');
  const object = page.locator('tr.data-grid-data-grid-node', {hasText: /@\d+/}).first();
  await object.waitFor();
  const [text] = await words(object);
  await object.click();
  const retainers = page.locator('[jslog*="retaining-paths-view"] tr.data-grid-data-grid-node');
  await retainers.first().waitFor();
  return {text, retainers: await words(retainers)};
}

/** The words in the first cell of each row, between which there are spaces by style alone. */
function words(rows) {
  return rows.locator('td:first-child').evaluateAll((cells) => cells.map((cell) => {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), words = [];
    while (texts.nextNode()) words.push(texts.currentNode.data.trim());
    return words.filter(Boolean).join(' ');
  }));
}

function number(text) {
  return Number(text.replaceAll(/\D/g, ''));
}
