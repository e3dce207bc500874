// Opens a page that `v8mini report` wrote in a real browser, uses it as a person would, and prints what it saw as JSON.
//
//   node report.mjs CHROMIUM PAGE [look]
//
// With `look`, it uses nothing: a page about little has not everything.
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {chromium} from 'playwright-core';

const [executablePath, file, only] = process.argv.slice(2);
const address = pathToFileURL(file).href;
const profile = mkdtempSync(join(tmpdir(), 'v8mini-browser-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
  viewport: {width: 1200, height: 900},
});
const seen = {complaints: [], requests: []};
try {
  const page = await browser.newPage();
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text());
  });
  page.on('pageerror', (error) => seen.complaints.push(String(error)));
  page.on('request', (request) => {
    if (request.url() !== address) seen.requests.push(request.url());
  });
  page.on('dialog', (dialog) => {
    seen.complaints.push(`a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  await page.goto(address);
  await page.waitForSelector('html[data-ready]');
  await look(page);
  if (only !== 'look') {
    await usesTable(page);
    await usesTree(page);
    await usesTheme(page);
  }
  await printing(page);
  // Last, because it is meant to be complained about.
  seen.beforeAttack = {complaints: seen.complaints.length, requests: seen.requests.length};
  seen.attack = await attack(page);
} finally {
  await browser.close();
  rmSync(profile, {recursive: true, force: true});
}
console.log(JSON.stringify(seen));

function texts(page, selector) {
  return page.locator(selector).allTextContents();
}

async function look(page) {
  seen.title = await page.title();
  seen.sections = await texts(page, 'section > h2');
  seen.contents = await texts(page, 'nav.contents a');
  seen.notices = await texts(page, '.notice');
  seen.suspects = await texts(page, '.suspects h3');
  seen.captures = await page.locator('.captures li').count();
  seen.lines = await page.locator('.chart .series').count();
  seen.growth = await texts(page, '#growth tbody tr');
  seen.stackBoxes = await texts(page, '#stacks .box');
  seen.text = await page.locator('#report').textContent();
  seen.hacked = await page.evaluate(() => window.hacked === undefined ? null : String(window.hacked));
  seen.elements = await page.evaluate(() => ({
    scripts: document.scripts.length,
    images: document.images.length,
    foreign: document.querySelectorAll('b, i, iframe, object, embed, link, form, svg svg').length,
    handlers: [...document.querySelectorAll('*')].filter((element) => [...element.attributes].some(({name}) => name.startsWith('on'))).length,
    styles: document.querySelectorAll('style').length,
  }));
  // A narrow window has nothing that sticks out.
  await page.setViewportSize({width: 390, height: 800});
  seen.sticksOut = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await page.setViewportSize({width: 1200, height: 900});
}

async function usesTable(page) {
  const rows = '#classes tbody tr';
  const column = async (number) => (await page.locator(`${rows} td:nth-child(${number}) data.bytes, ${rows} td:nth-child(${number}):not(:has(data))`)
    .evaluateAll((cells) => cells.map((cell) => Number(cell.getAttribute('value') ?? cell.textContent.replaceAll(',', '')))));
  const sorting = () => page.locator('#classes thead th').evaluateAll((heads) => heads.map((head) => head.getAttribute('aria-sort')));
  seen.table = {first: await column(4), sorted: await sorting(), names: await texts(page, '#classes tbody th bdi')};
  await page.locator('#classes thead button', {hasText: 'Count'}).focus();
  await page.keyboard.press('Enter');
  seen.table.byCount = {values: await column(2), sorted: await sorting()};
  await page.keyboard.press('Enter');
  seen.table.byCountUp = {values: await column(2), sorted: await sorting()};
  const before = await page.locator(rows).count();
  const more = page.locator('#classes .below button', {hasText: 'Show all'});
  if (await more.isVisible()) await more.click();
  seen.table.unfolded = [before, await page.locator(rows).count()];
  const filter = page.locator('#classes input[type=search]');
  await filter.fill('closure');
  seen.table.filtered = await texts(page, '#classes tbody th bdi');
  await filter.fill('no class is called so');
  seen.table.empty = await texts(page, '#classes tbody td.empty');
  await filter.fill('');
  await page.locator('.exact').click();
  seen.table.exact = await page.locator('#classes tbody td data.bytes').first().evaluate((data) => [data.textContent, data.value]);
  await page.locator('.exact').click();
  seen.table.human = await page.locator('#classes tbody td data.bytes').first().textContent();
}

async function usesTree(page) {
  const boxes = page.locator('#tree .box');
  const crumbs = () => texts(page, '#tree .crumbs button');
  seen.tree = {boxes: await boxes.count(), crumbs: await crumbs(), first: await boxes.nth(1).getAttribute('aria-label')};
  // By mouse.
  await boxes.nth(1).click();
  seen.tree.zoomed = await crumbs();
  const width = (await boxes.nth(1).boundingBox()).width, whole = (await page.locator('#tree .boxes').boundingBox()).width;
  seen.tree.fills = width / whole;
  seen.tree.details = await page.locator('#tree .details').textContent();
  await page.locator('#tree .reset').click();
  seen.tree.reset = await crumbs();
  // By keys alone.
  await page.locator('#tree .box[tabindex="0"]').focus();
  const at = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  seen.tree.keys = [];
  for (const key of ['Home', 'ArrowDown', 'ArrowRight', 'ArrowLeft', 'Enter', 'ArrowDown', 'ArrowUp', 'Escape']) {
    await page.keyboard.press(key);
    seen.tree.keys.push([key, await at(), (await crumbs()).length]);
  }
  await page.locator('#tree input[type=search]').fill('(');
  seen.tree.matches = await page.locator('#tree .box.match').count();
  seen.tree.matchText = await page.locator('#tree .matches').textContent();
  await page.locator('#tree input[type=search]').fill('');
  seen.tree.reachable = await page.locator('#tree .box[tabindex="0"]').count();
}

async function usesTheme(page) {
  const color = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  seen.theme = {};
  await page.emulateMedia({colorScheme: 'light'});
  seen.theme.light = await color();
  await page.emulateMedia({colorScheme: 'dark'});
  seen.theme.dark = await color();
  await page.locator('.theme').click();
  seen.theme.toggled = await color();
  await page.locator('.theme').click();
  seen.theme.back = await color();
}

async function printing(page) {
  await page.emulateMedia({media: 'print', colorScheme: 'dark'});
  seen.print = await page.evaluate(() => ({
    background: getComputedStyle(document.body).backgroundColor,
    visible: [...document.querySelectorAll('.tools, .contents, .controls')].filter((element) => element.getClientRects().length > 0).length,
  }));
  seen.print.bytes = (await page.pdf({format: 'A4', printBackground: true})).length;
  seen.print.folded = await page.locator('details:not([open])').count();
  await page.emulateMedia({media: null, colorScheme: null});
}

/** Whoever got a script into the page could run nothing and send nothing. */
async function attack(page) {
  return page.evaluate(async () => {
    const violations = [];
    document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
    const attempts = {
      script: () => {
        const script = document.createElement('script');
        script.append('window.hacked = 2');
        document.body.append(script);
      },
      markup: () => {
        document.body.innerHTML += '<img src=x onerror="window.hacked = 3">';
      },
      handler: () => document.body.setAttribute('onclick', 'window.hacked = 4'),
      // From a timer, as the page itself would: the debugger that asks for this is not bound by the policy.
      evaluation: () => new Promise((resolve) => setTimeout(() => {
        try {
          (0, eval)('window.hacked = 5');
        } catch {
          // Refused on the spot.
        }
        resolve();
      })),
      fetching: () => fetch('https://example.invalid/').catch(() => {}),
      image: () => {
        const image = new Image();
        image.src = 'https://example.invalid/x.png';
      },
    };
    for (const attempt of Object.values(attempts)) {
      try {
        await attempt();
      } catch {
        // Refused on the spot.
      }
    }
    document.body.click();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return {hacked: window.hacked ?? null, violations};
  });
}
