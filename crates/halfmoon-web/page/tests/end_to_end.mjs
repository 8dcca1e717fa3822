// A person at the page, from the name to the export, with a browser that is steered. Against the mock or the real server:
//
//   node tests/end_to_end.mjs URL [--shots FOLDER] [--labels 60] [--pace MS] [--pause-at 30 --until FILE]
//
// The project is to be without labels of Ann and Ben: every label of theirs is counted at the end.
// The driver knows the truth: items are files `NNNN_C.png` of class C. With --pause-at it makes FILE.paused after so many labels,
// goes on with three while nobody answers (whoever called stops the server then), and waits until FILE is there and the server is back.
// Prints one line of JSON; ends with 1 where a fact fails.
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values: options, positionals: [address = 'http://127.0.0.1:8123/'] } = parseArgs({
  allowPositionals: true,
  options: { shots: { type: 'string' }, labels: { type: 'string', default: '60' }, pace: { type: 'string', default: '0' }, 'pause-at': { type: 'string' }, until: { type: 'string' }, chromium: { type: 'string', default: '/usr/bin/chromium' } },
});
const base = new URL(address);
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const failed = [];
const facts = {};
function fact(name, holds, more = '') {
  facts[name] = Boolean(holds);
  if (!holds) failed.push(`${name} ${more}`.trim());
  console.error(`${holds ? 'yes' : 'NO '}  ${name} ${more}`);
}

const browser = await chromium.launch({ executablePath: options.chromium, args: ['--no-sandbox'] });
const troubles = [];
/** Label by annotator and item's id. */
const given = new Map();
let answers = 0;
const latencies = [];
const trainingLatencies = [];

function watch(page) {
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => {
    // Requests that fail while the server is away are part of the story.
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) troubles.push(message.text());
  });
  return page;
}

async function person(name, settings = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', colorScheme: 'light', ...settings });
  // axe is put into pages, which their policy would refuse from a script element; evaluate is not bound by it.
  const page = watch(await context.newPage());
  await page.goto(address);
  return { name, context, page };
}

async function begin({ name, page }) {
  await page.fill('#your-name', name);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#item[data-item][data-seen="yes"]', { timeout: 60_000 });
}

const current = (page) => page.evaluate(() => ({ item: document.querySelector('#item').dataset.item, id: document.querySelector('#item').dataset.id }));
const truth = (id) => /_([^_/]+)\.\w+$/.exec(id)?.[1] ?? '';

/** The key of a class by its name, else by its number. */
async function classOf(page, wanted) {
  return page.evaluate((name) => {
    const buttons = [...document.querySelectorAll('.class')];
    const found = buttons.find((button) => button.querySelector('.class-name').textContent === name) ?? buttons[Number(name)];
    return { key: found.dataset.key ?? null, number: found.dataset.class, name: found.querySelector('.class-name').textContent };
  }, wanted);
}

/** By its key; of 200 classes most have none. */
const choose = (page, { key, number }) => (key ? page.keyboard.press(key) : page.click(`.class[data-class="${number}"]`));

const isOther = (page, item) => page.waitForFunction((before) => {
  const now = document.querySelector('#item').dataset.item;
  return now !== undefined && now !== before && document.querySelector('#item').dataset.seen === 'yes';
}, item, { timeout: 20_000 });

/** Gives the item on the page its class. A wrong one is undone first, now and then. */
async function label({ name, page }, { wrongFirst = false, wanted = null } = {}) {
  // A tab in the background paints once a second.
  await page.bringToFront();
  const { item, id } = await current(page);
  const right = await classOf(page, wanted ?? truth(id));
  const press = async ({ key, number }) => {
    const isTraining = await page.evaluate(() => document.querySelector('.training').dataset.state === 'training');
    const before = await page.evaluate(() => window.halfmoon.latencies.length);
    await choose(page, { key, number });
    await isOther(page, item);
    const took = await page.waitForFunction((n) => window.halfmoon.latencies[n], before, { timeout: 30_000 }).then((found) => found.jsonValue());
    latencies.push(took);
    if (isTraining) trainingLatencies.push(took);
  };
  if (wrongFirst) {
    const wrong = await page.evaluate((number) => [...document.querySelectorAll('.class')].map(({ dataset }) => ({ key: dataset.key, number: dataset.class })).find((other) => other.key && other.number !== number), right.number);
    await press(wrong);
    await page.keyboard.press('u');
    await page.waitForFunction((wantedItem) => document.querySelector(`#item[data-item="${wantedItem}"][data-seen="yes"]`), item, { timeout: 30_000 });
  }
  await press(right);
  answers += 1;
  given.set(`${name}\n${id}`, right.name);
  return { item, id };
}

const saved = (page) => page.waitForFunction(() => document.querySelector('.saved').dataset.waiting === '0', null, { timeout: 60_000 });

async function accessible(page, view) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')}`);
  fact(`axe finds nothing in ${view}`, violations.length === 0, told.join('; '));
}

async function shoot(page, name) {
  if (!options.shots) return;
  await mkdir(options.shots, { recursive: true });
  await page.screenshot({ path: `${options.shots}/${name}.png` });
}

const exists = (path) => stat(path).then(() => true, () => false);
async function until(holds, seconds) {
  for (let k = 0; k < seconds * 5; k++) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

/** Some labels while nobody answers. */
async function goOnAlone(who, gone) {
  const { page } = who;
  await gone();
  await page.waitForSelector('.offline:not([hidden])', { timeout: 60_000 });
  await shoot(page, 'desktop-offline');
  for (let k = 0; k < 3; k++) await label(who);
  const waits = await page.evaluate(() => Number(document.querySelector('.saved').dataset.waiting));
  fact('answers wait while nobody answers', waits >= 3, String(waits));
}

const ann = await person('Ann');
let wasPaused = false;

// The name, the first question.
await ann.page.waitForSelector('dialog[open]');
await accessible(ann.page, 'the name dialog');
await shoot(ann.page, 'desktop-name');
await begin(ann);

const total = Number(options.labels);
let windows = null;
for (let n = 1; answers < total; n++) {
  const { page } = ann;
  await label(ann, { wrongFirst: n % 11 === 0 });
  await pause(Number(options.pace));
  if (n === 5) {
    const before = await current(page);
    await page.keyboard.press('s');
    await isOther(page, before.item);
    fact('a skipped item goes', (await current(page)).item !== before.item);
  }
  if (n === 8) {
    // A class of one's own, given to the item and then corrected, one step back.
    const before = await current(page);
    await page.keyboard.press('n');
    await page.fill('#class-name', 'something else');
    await accessible(page, 'the dialog of a new class');
    // A busy server says so in the dialog, and may be asked again.
    await until(async () => {
      if (await page.isVisible('dialog[open]')) await page.keyboard.press('Enter');
      await page.waitForTimeout(1000);
      return !(await page.isVisible('dialog[open]'));
    }, 20);
    await isOther(page, before.item);
    const known = await page.evaluate(() => [...document.querySelectorAll('.class-name')].some((name) => name.textContent === 'something else'));
    fact('a class can be made', known);
    const present = await current(page);
    await page.keyboard.press('b');
    await page.waitForFunction((item) => document.querySelector(`#item[data-item="${item}"][data-seen="yes"]`), before.item);
    const right = await classOf(page, truth(before.id));
    await choose(page, right);
    await page.waitForFunction((item) => document.querySelector(`#item[data-item="${item}"][data-seen="yes"]`), present.item);
    given.set(`Ann\n${before.id}`, right.name);
    answers += 1;
    fact('back shows the previous item, and its correction returns to the present one', true);
  }
  if (n === 15) {
    // In the middle of a label: pressed, and loaded again at once.
    const before = await current(page);
    const right = await classOf(page, truth(before.id));
    const loaded = page.waitForEvent('load');
    // In one turn of the page, so that no answer of the server can come between.
    const next = await page.evaluate(([key, number]) => {
      if (key) document.dispatchEvent(new KeyboardEvent('keydown', { key }));
      else document.querySelector(`.class[data-class="${number}"]`).click();
      location.reload();
      return { item: document.querySelector('#item').dataset.item };
    }, [right.key, right.number]);
    await loaded;
    given.set(`Ann\n${before.id}`, right.name);
    answers += 1;
    await page.waitForSelector('#item[data-item][data-seen="yes"]');
    const after = await current(page);
    fact('a reload shows the same question', next.item === after.item && next.item !== before.item, `${next.item} ${after.item}`);
    await page.keyboard.press('u');
    await page.waitForFunction((item) => document.querySelector(`#item[data-item="${item}"][data-seen="yes"]`), before.item, { timeout: 30_000 });
    fact('undo reaches beyond a reload', true);
    given.delete(`Ann\n${before.id}`);
    answers -= 1;
  }
  if (n === 20) {
    const second = { name: 'Ann', context: ann.context, page: watch(await ann.context.newPage()) };
    await second.page.goto(address);
    await second.page.waitForSelector('#item[data-item][data-seen="yes"]');
    windows = new Set();
    let twice = 0;
    for (let k = 0; k < 5; k++) {
      for (const { item } of [await label(ann), await label(second)]) {
        if (windows.has(item)) twice += 1;
        windows.add(item);
      }
    }
    fact('two windows of one person ask different questions', twice === 0, String(twice));
    await saved(second.page);
    await second.page.close();
  }
  if (options['pause-at'] && !wasPaused && answers >= Number(options['pause-at'])) {
    wasPaused = true;
    await writeFile(`${options.until}.paused`, '');
    await goOnAlone(ann, async () => undefined);
    fact('the server comes back', await until(() => exists(options.until), 300));
    await page.waitForSelector('.offline[hidden]', { state: 'attached', timeout: 60_000 });
    await saved(page);
    fact('what waited is saved when the server is back', true);
  } else if (n === 30 && !options['pause-at'] && (await page.request.get(new URL('/mock', base).href)).ok()) {
    await goOnAlone(ann, () => page.request.get(new URL('/mock?gone=4', base).href));
    await page.waitForSelector('.offline[hidden]', { state: 'attached', timeout: 60_000 });
    await saved(page);
    fact('what waited is saved when the server is back', true);
  }
}

// Somebody else, at the same time.
const ben = await person('Ben', { colorScheme: 'dark' });
await begin(ben);
for (let k = 0; k < 5; k++) await label(ben);
await saved(ben.page);

// Each view, in light and dark, wide and narrow.
await saved(ann.page);
await until(() => ann.page.evaluate(() => document.querySelector('.training').dataset.state === 'ready'), 60);
await ann.page.waitForTimeout(1500);
await ann.page.evaluate(() => { for (const panel of document.querySelectorAll('details.panel')) panel.open = true; });
await accessible(ann.page, 'labelling, light');
await accessible(ben.page, 'labelling, dark');
await shoot(ann.page, 'desktop-light');
await shoot(ben.page, 'desktop-dark');
const phone = await person('Cem', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
await begin(phone);
for (const scheme of ['light', 'dark']) {
  await phone.page.emulateMedia({ colorScheme: scheme });
  await shoot(phone.page, `phone-${scheme}`);
  await accessible(phone.page, `the phone, ${scheme}`);
}
const overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
fact('a phone scrolls in one direction', overflow <= 0, String(overflow));
await phone.page.setViewportSize({ width: 360, height: 640 });
const small = await phone.page.evaluate(() => [...document.querySelectorAll('header button, main button')].filter((b) => b.offsetParent && Math.min(b.offsetWidth, b.offsetHeight) < 44).map((b) => `${b.textContent || b.ariaLabel} ${b.offsetWidth}×${b.offsetHeight}`));
fact('buttons on a phone are 44 pixels or more', small.length === 0, small.join(', '));
await phone.page.setViewportSize({ width: 390, height: 844 });
await phone.page.tap('.panels-button');
await phone.page.waitForTimeout(400);
await accessible(phone.page, 'the drawer');
await shoot(phone.page, 'phone-panels');
await phone.context.close();

await ann.page.keyboard.press('?');
await accessible(ann.page, 'the help');
await shoot(ann.page, 'desktop-help');
await ann.page.keyboard.press('Escape');
await ann.page.click('header button[aria-label="Settings"]');
await accessible(ann.page, 'the settings');
await ann.page.keyboard.press('Escape');
for (const [key, view] of [['r', 'review'], ['g', 'generated']]) {
  if (!(await ann.page.isVisible(`[aria-keyshortcuts="${key}"]`))) continue;
  await ann.page.keyboard.press(key);
  await ann.page.waitForFunction((name) => document.documentElement.dataset.view === name, view);
  await ann.page.waitForTimeout(1000);
  await accessible(ann.page, view);
  await shoot(ann.page, `desktop-${view}`);
}
await ann.page.keyboard.press('l');

// Nothing lost, none doubled.
const csv = await (await ann.page.request.get(new URL('/api/export?format=csv', base).href)).text();
const [header, ...rows] = csv.split(/\r?\n/).filter(Boolean).map(cells);
const at = (name) => header.indexOf(name);
const exported = rows.map((row) => ({ names: [row[at('id')], row[at('path')]], label: row[at('label')], annotator: row[at('annotator')] })).filter(({ annotator }) => ['Ann', 'Ben'].includes(annotator));
const expected = [...given].map(([key, name]) => [...key.split('\n'), name]);
const lost = expected.filter(([annotator, id, name]) => !exported.some((row) => row.annotator === annotator && row.names.includes(id) && row.label === name));
fact('nothing is lost', lost.length === 0, lost.slice(0, 5).map((row) => row.join(' ')).join('; '));
fact('nothing is doubled', exported.length === expected.length, `${exported.length} exported, ${expected.length} given`);
fact('the page has no error of its own', troubles.length === 0, [...new Set(troubles)].join('; '));

await browser.close();
const percentiles = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  const p = (share) => (sorted.length ? Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] * 10) / 10 : null);
  return { n: sorted.length, p50: p(0.5), p95: p(0.95), p99: p(0.99) };
};
console.log(JSON.stringify({ labels: given.size, exported: exported.length, latency_ms: percentiles(latencies), latency_ms_while_training: percentiles(trainingLatencies), facts: Object.keys(facts).length, failed }));
process.exit(failed.length === 0 ? 0 : 1);

/** The cells of a line of CSV. Ids and names hold no line breaks here. */
function cells(line) {
  const found = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  return found.map((cell) => cell.replace(/,$/, '')).map((cell) => (cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell)).slice(0, line.endsWith(',') ? undefined : -1);
}
