// A stand-in for `halfmoon label`: the page of dist/ and the API, with items that it makes up. No dependency.
//   node mock.mjs [--port 8123] [--classes 10] [--items 2000] [--table] [--columns 30] [--slow MS] [--errors 0.1] [--scan SECONDS]
//                 [--no-model] [--rtl] [--large]
// While it runs: GET /mock?gone=5 (no answers for 5 s), ?slow=300, ?errors=0.2, ?train=1.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

const options = Object.fromEntries(process.argv.slice(2).flatMap((word, k, all) => (word.startsWith('--') ? [[word.slice(2), all[k + 1]?.startsWith('--') === false ? all[k + 1] : true]] : [])));
const number = (name, otherwise) => Number(options[name] ?? otherwise);
const dist = fileURLToPath(new URL('dist/', import.meta.url));
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Chance that is the same at each start.
let seed = 7;
const chance = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648);

const WORDS = ['alive', 'dead', 'unsure', 'dividing', 'blurred', 'two cells', 'debris', 'edge of the dish', 'bubble', 'empty'];
const FAMILIES = ['Quercus', 'Acer', 'Betula', 'Fagus', 'Pinus', 'Salix', 'Tilia', 'Ulmus', 'Alnus', 'Carex'];
const SPECIES = ['robur', 'alba', 'nigra', 'pendula', 'sylvatica', 'rubra', 'minor', 'glabra', 'incana', 'vulgaris', 'montana', 'palustris', 'aurea', 'repens', 'fragilis', 'lutea', 'cordata', 'pumila', 'viridis', 'hirta'];
const RTL = ['حي', 'ميت', 'غير واضح', 'منقسم', 'ضبابي', 'خليتان', 'حطام', 'حافة الطبق', 'فقاعة', 'فارغ'];
const wanted = number('classes', 10);
const classes = options.rtl ? RTL.slice(0, Math.min(wanted, 10))
  : wanted === 10 && !options.table ? [...'0123456789']
    : wanted <= 10 ? WORDS.slice(0, wanted) : Array.from({ length: wanted }, (_, k) => `${FAMILIES[k % 10]} ${SPECIES[Math.floor(k / 10) % 20]}`);
const first = classes.length;

const items = Array.from({ length: number('items', 2000) }, (_, item) => {
  const truth = Math.floor(chance() * first);
  const folder = options.rtl ? 'خلايا' : 'digits';
  return { item, truth, id: options.table ? `row ${item + 1}` : `${folder}/${String(item).padStart(4, '0')}_${truth}.png` };
});

const DIGITS = ['0e11131519110e', '040c040404040e', '0e11010204081f', '1f02040201110e', '02060a121f0202', '1f101e0101110e', '06081 01e11110e'.replace(' ', ''), '1f010204080808', '0e11110e11110e', '0e11110f01020c'];

const table = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc = (bytes) => {
  let c = 0xffffffff;
  for (const byte of bytes) c = table[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
};
const chunk = (name, data) => {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(name, 4, 'latin1');
  data.copy(out, 8);
  out.writeUInt32BE(crc(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
};
function png(width, height, light) {
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = Math.max(0, Math.min(255, light(x, y)));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}
/** A picture of a class: a digit where classes are digits, else cells of some number and size. */
function picture(item, k, size) {
  let s = item * 7919 + 13;
  const random = () => ((s = (s * 1103515245 + 12345) % 2147483648) / 2147483648);
  const [dx, dy, noise] = [random() * 6 - 3, random() * 6 - 3, 20];
  if (classes[0] === '0') {
    const shape = DIGITS[k % 10].match(/../g).map((hex) => Number.parseInt(hex, 16));
    return png(28, 28, (x, y) => {
      const [u, v] = [Math.floor((x - 6.5 - dx) / 3), Math.floor((y - 3.5 - dy) / 3)];
      return (u >= 0 && u < 5 && v >= 0 && v < 7 && shape[v] & (16 >> u) ? 225 : 8) + random() * noise;
    });
  }
  const side = size ?? (options.large ? 1600 : 240);
  const cells = Array.from({ length: 4 + (k % 5) * 3 }, () => [random() * side, random() * side, side * (0.03 + 0.02 * (k % 4) + 0.02 * random())]);
  return png(side, side, (x, y) => 62 + cells.reduce((sum, [cx, cy, r]) => sum + 95 * Math.exp(-(((x - cx) ** 2 + (y - cy) ** 2) / r ** 2)), 0) + random() * 22);
}

const COLUMNS = ['age', 'tenure in months', 'monthly charge', 'contract', 'city', 'notes', 'support calls', 'payment', 'last login', 'paperless', 'partner', 'total charge'];
function row(item) {
  const values = [20 + (item * 7) % 60, (item * 13) % 72, `${(20 + (item * 3.7) % 90).toFixed(2)} €`, ['month to month', 'one year', 'two years'][item % 3], ['Łódź', '東京', 'Québec', 'القاهرة', 'Warszawa'][item % 5],
    'Called twice about the bill, was told that the discount would come back; did not sound convinced. Wants a written answer.', item % 9, ['card', 'transfer', 'cash'][item % 3], '2026-10-1' + (item % 9), 'yes', 'no', ((item * 31) % 4000).toFixed(1)];
  return Array.from({ length: number('columns', 30) }, (_, k) => ({ column: COLUMNS[k] ?? `measure ${k + 1}`, value: (item + k) % 11 === 0 ? null : String(values[k] ?? ((item * (k + 3)) % 997) / 10) }));
}

// What has been done: the journal.
const events = [];
const answered = new Map();
const leases = new Map();
const refusedNumbers = [];
const state = { rule: 'margin', model: options['no-model'] ? null : 'm2', round: 0, training: 0, slow: number('slow', 0), errors: number('errors', 0), goneUntil: 0, scanEnds: Date.now() + number('scan', 0) * 1000, sinceTrained: 0 };
const streams = new Set();

/** Of each annotator and item what stands: the last label or skip that is not undone. */
function standing() {
  const undone = new Set(events.filter((e) => e.action === 'undo').map((e) => e.undoes));
  const stands = new Map();
  for (const e of events) if (e.action !== 'undo' && !undone.has(e)) stands.set(`${e.annotator}\n${e.item}`, e);
  return stands;
}
const labels = () => [...standing().values()].filter((e) => e.action === 'label');
const labelled = () => new Set(labels().map((e) => e.item)).size;

const said = (item) => {
  if (!state.model || state.round === 0) return null;
  const likeliest = item % 6 === 5 ? (items[item].truth + 1) % classes.length : items[item].truth;
  const confidence = 0.4 + ((item * 37) % 59) / 100;
  const probs = classes.map((_, k) => (k === likeliest ? confidence : (1 - confidence) / Math.max(1, classes.length - 1)));
  return { model: state.model, class: likeliest, confidence, probs };
};
const question = (item, annotator) => {
  const own = standing().get(`${annotator}\n${item}`);
  const judging = item % 5 === 0;
  return {
    item, id: items[item].id,
    content: options.table ? { kind: 'row', cells: row(item) } : { kind: 'picture', url: `/api/items/${item}/picture`, width: 28, height: 28 },
    rule: state.rule, why: judging ? 'drawn at random, to judge the model by' : state.round ? 'asked because the model wavers between two classes' : 'asked because it is far from anything labelled',
    round: state.round || null, said: said(item), judging, labels: own ? [{ annotator, class: own.class ?? null }] : [],
  };
};
const scanned = () => (Date.now() >= state.scanEnds ? items.length : Math.max(0, Math.floor(items.length * (1 - (state.scanEnds - Date.now()) / (number('scan', 1) * 1000)) - 20)));
const project = () => {
  const isDone = scanned() === items.length;
  return {
    name: options.table ? 'churn.csv' : options.rtl ? 'خلايا' : classes[0] === '0' ? 'digits' : 'photos', classes, kind: options.table ? 'rows' : 'pictures', items: scanned(), labelled: labelled(), rule: state.rule,
    rules: [['margin', 'Where the two likeliest classes are closest'], ['entropy', 'Where the model is least certain overall'], ['bald', 'Where draws of the model disagree'], ['k_center', 'Far from everything labelled, to cover the pool'], ['random', 'Any item: the rule that the others are measured by']].map(([name, about]) => ({ name, about })),
    models: [['m2', 'Learns from unlabelled items too, and makes pictures'], ['supervised', 'A plain classifier, quick']].map(([name, about]) => ({ name, about })),
    model: { name: state.model ?? 'm2', state: !state.model ? 'none' : state.training ? 'training' : state.round ? 'ready' : 'waiting', round: state.round || null, labels: state.round ? labelled() : null, step: state.training || null, steps: 300, message: state.model && !state.round && !state.training ? `the first training waits for ${Math.max(1, 10 - labelled())} more labels` : '' },
    scan: { state: isDone ? 'done' : scanned() === 0 ? 'listing' : 'reading', files: items.length + 7, items: scanned(), unreadable: 5, message: null }, twice: 0.1, version: '0.1.0',
  };
};
const panels = () => {
  const n = Math.floor(labelled() / 5) + (state.round ? 8 : 0);
  const interval = (accuracy, k) => ({ accuracy, low: Math.max(0, accuracy - 1 / Math.sqrt(k + 1)), high: Math.min(1, accuracy + 0.7 / Math.sqrt(k + 1)) });
  const curve = Array.from({ length: state.round }, (_, k) => ({ labels: 10 * (k + 1), n: 8 + 2 * k, ...interval(0.95 - 0.6 / (k + 1.5), 8 + 2 * k) }));
  const made = labels();
  const points = state.round ? items.slice(0, 700).map(({ item, truth }) => {
    const angle = (truth / classes.length) * 2 * Math.PI;
    const wobble = (k) => ((item * k) % 101) / 101 - 0.5;
    const own = made.find((e) => e.item === item);
    return { item, x: Math.cos(angle) * 3 + wobble(37) * 2.4, y: Math.sin(angle) * 3 + wobble(53) * 2.4, class: own ? own.class : null, likeliest: said(item).class, confidence: said(item).confidence };
  }) : [];
  const doubtful = state.round ? made.filter((e) => e.item % 6 === 5).slice(0, 17).map((e) => ({ item: e.item, class: e.class, likeliest: said(e.item).class, confidence: said(e.item).confidence })) : [];
  return {
    accuracy: { now: n ? { right: Math.round(n * 0.9), n, ...interval(0.9, n) } : null, curve },
    classes: classes.map((name, k) => ({ name, labelled: made.filter((e) => e.class === k).length, predicted: state.round ? items.filter((i) => i.truth === k).length : null })),
    gain: state.round > 1 ? '50 more labels would bring about 2 points of accuracy (1 to 4).' : null,
    reliability: state.round ? { bins: [0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95].map((c, k) => ({ low: c - 0.05, high: c + 0.05, confidence: c, accuracy: c - 0.06 + (k % 3) * 0.05, n: 3 + k * 4 })), ece: 0.041, n: 87 } : null,
    map: points.length ? { points, axes: 'The two directions in which the model’s codes vary most.' } : null,
    examples: state.round && !options.table ? classes.slice(0, 10).map((_, k) => ({ class: k, pictures: Array.from({ length: 6 }, (_, j) => `/api/examples/${state.round}/${k * 6 + j}.png`) })) : [],
    doubtful, outliers: state.round ? [3, 77, 150, 301].map((item, k) => ({ item, p: 0.001 + k * 0.003 })) : [],
    agreement: { items: 12, alpha: 0.83, annotators: [{ name: 'Ann', labels: 40, agree: 11, n: 12 }, { name: 'Борис', labels: 31, agree: 10, n: 12 }], pairs: [{ first: 'Ann', second: 'Борис', items: 12, kappa: 0.8 }] },
    notes: state.round ? ['Class “unsure”: 1 label; its figures say nothing.', '2 pictures are exact copies of others and are labelled with them.'].slice(0, classes.includes('unsure') ? 2 : 1) : [],
  };
};

function tell(event, data) {
  for (const stream of streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}
function train() {
  if (!state.model || state.training) return;
  state.training = 1;
  state.sinceTrained = 0;
  const timer = setInterval(() => {
    state.training += 10;
    if (state.training >= 300) {
      clearInterval(timer);
      state.training = 0;
      state.round += 1;
      tell('queue', state.round);
      tell('panels', state.round);
      if (state.sinceTrained >= 10) train();
    }
    tell('project', project());
  }, 250);
}
/** Work of other users of the machine, so that latencies are measured beside some. */
setInterval(() => {
  if (!state.training) return;
  const end = Date.now() + 30;
  while (Date.now() < end) chance();
}, 100);

class Wrong extends Error {
  constructor(status, field, message, hint) {
    super(message);
    Object.assign(this, { status, field, hint });
  }
}
const keys = new Map();
function append(event) {
  const seen = keys.get(event.key);
  if (seen) return { event: seen.event, is_new: false, labelled: labelled() };
  if (!/^[0-9a-f]{32}$/.test(event.key)) throw new Wrong(422, 'key', 'not 32 hex digits');
  event.event = events.push(event);
  keys.set(event.key, event);
  if (event.action === 'label' && ++state.sinceTrained >= 10) train();
  tell('project', project());
  return { event: event.event, is_new: true, labelled: labelled() };
}
const checked = (body) => {
  if (!items[body.item]) throw new Wrong(404, 'item', 'there is no such item');
  if (body.class !== undefined && !classes[body.class]) throw new Wrong(422, 'class', `${body.class} is not a class`, `there are ${classes.length}`);
  return body;
};

const routes = {
  'GET /api/project': () => project(),
  'GET /api/next': (query) => {
    const annotator = query.get('annotator');
    const not = new Set((query.get('not') ?? '').split(',').filter(Boolean).map(Number));
    const stands = standing();
    const now = Date.now();
    const free = items.slice(0, scanned()).filter(({ item }) => !not.has(item) && !stands.has(`${annotator}\n${item}`) && !(leases.get(item)?.until > now && leases.get(item).annotator !== annotator));
    const order = state.round % 2 ? free.reverse() : free;
    const chosen = order.slice(0, Number(query.get('n') ?? 8));
    for (const { item } of chosen) leases.set(item, { annotator, until: now + 180_000 });
    return { questions: chosen.map(({ item }) => question(item, annotator)), ...(chosen.length ? {} : { waiting: scanned() < items.length ? 'The files are still being read.' : 'Every item has its labels.' }) };
  },
  'POST /api/label': (_, body) => append({ action: 'label', ...checked(body) }),
  'POST /api/skip': (_, body) => append({ action: 'skip', ...checked(body) }),
  'POST /api/undo': (_, { annotator, key }) => {
    const before = keys.get(key)?.undoes ?? [...standing().values()].filter((e) => e.annotator === annotator).sort((a, b) => a.event - b.event).at(-1);
    if (!before) return { undone: null, question: null, labelled: labelled() };
    append({ action: 'undo', annotator, key, undoes: before });
    return { undone: { item: before.item, class: before.class ?? null }, question: question(before.item, annotator), labelled: labelled() };
  },
  'POST /api/classes': (_, { name, really }) => {
    if (classes.includes(name)) return { class: classes.indexOf(name), classes };
    const like = classes.find((c) => c.trim().toLowerCase() === name.trim().toLowerCase());
    if (like && !really) throw new Wrong(409, 'name', `there is a class ${like} already`, `did you mean ${like}?`);
    classes.push(name);
    tell('project', project());
    return { class: classes.length - 1, classes };
  },
  'POST /api/rule': (_, { rule, model }) => {
    if (rule) state.rule = rule;
    if (model) state.model = model;
    tell('queue', state.round);
    return project();
  },
  'GET /api/panels': () => panels(),
  'GET /api/generated': (query) => (options.table || !state.round ? { pictures: [], none_because: 'The model makes no pictures before it is trained.' }
    : { pictures: Array.from({ length: Number(query.get('n')) }, () => Math.floor(chance() * 1000)).map((k) => ({ number: k, url: `/api/examples/${state.round}/${k}.png`, class: k % classes.length, confidence: 0.5 })), none_because: null }),
  'POST /api/generated': (_, body) => { refusedNumbers.push(body); return { taken: true }; },
  'POST /api/import': () => ({ records: 13, new: 12, already: 0, repeated: 0, unlabelled: 0, left_out: 1, problems: [{ place: 'row 3', reason: '`Alive` is not a class; the classes are alive, dead' }], conflicts: [], new_classes: [], notes: [] }),
};

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://mock');
  const json = (status, body) => response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body));
  if (url.pathname === '/mock') {
    if (url.searchParams.has('gone')) {
      state.goneUntil = Date.now() + 1000 * Number(url.searchParams.get('gone'));
      for (const stream of streams) stream.destroy();
      streams.clear();
    }
    for (const name of ['slow', 'errors']) if (url.searchParams.has(name)) state[name] = Number(url.searchParams.get(name));
    if (url.searchParams.has('train')) train();
    return json(200, state);
  }
  if (Date.now() < state.goneUntil) return request.socket.destroy();
  response.setHeader('content-security-policy', POLICY);
  if (url.pathname === '/api/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(`event: project\ndata: ${JSON.stringify(project())}\n\n`);
    streams.add(response);
    request.on('close', () => streams.delete(response));
    return undefined;
  }
  try {
    let text = '';
    for await (const part of request) text += part;
    if (url.pathname.startsWith('/api/')) {
      if (state.slow) await new Promise((resolve) => setTimeout(resolve, state.slow * (0.5 + Math.random())));
      if (Math.random() < state.errors) throw new Wrong(503, null, 'too busy');
    }
    const of = /^\/api\/items\/(\d+)(\/picture)?$/.exec(url.pathname);
    const example = /^\/api\/examples\/\d+\/(\d+)\.png$/.exec(url.pathname);
    if ((of && !items[Number(of[1])])) throw new Wrong(404, 'item', 'there is no such item');
    if (of?.[2]) return response.writeHead(200, { 'content-type': 'image/png', 'cache-control': 'max-age=31536000, immutable' }).end(picture(Number(of[1]), items[Number(of[1])].truth, Number(url.searchParams.get('size')) || undefined));
    if (of) return json(200, question(Number(of[1]), url.searchParams.get('annotator')));
    if (example) return response.writeHead(200, { 'content-type': 'image/png' }).end(picture(Number(example[1]) + 5000, classes[0] === '0' ? Math.floor(Number(example[1]) / 6) : Number(example[1]), 96));
    if (url.pathname === '/api/export') {
      const lines = labels().map((e) => `"${items[e.item].id}","${classes[e.class]}","${e.annotator}"`);
      return response.writeHead(200, { 'content-type': 'text/csv; charset=utf-8', 'content-disposition': 'attachment; filename="labels.csv"' }).end(['id,label,annotator', ...lines, ''].join('\r\n'));
    }
    const route = routes[`${request.method} ${url.pathname}`];
    if (route) return json(200, route(url.searchParams, request.headers['content-type']?.includes('json') ? JSON.parse(text) : null));
    const file = url.pathname === '/' ? 'index.html' : url.pathname.slice(1);
    if (!/^[\w.-]+$/.test(file)) throw new Wrong(404, null, 'nothing here');
    const bytes = await readFile(dist + file).catch(() => { throw new Wrong(404, null, 'nothing here'); });
    return response.writeHead(200, { 'content-type': TYPES[file.split('.').at(-1)] ?? 'application/octet-stream', 'cache-control': 'no-cache' }).end(bytes);
  } catch (wrong) {
    if (!(wrong instanceof Wrong)) console.error(wrong);
    return json(wrong.status ?? 500, { error: { field: wrong.field ?? null, message: wrong.message, hint: wrong.hint ?? null } });
  }
});
server.listen(number('port', 8123), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
if (state.scanEnds > Date.now()) setInterval(() => tell('project', project()), 500);
setInterval(() => { for (const stream of streams) stream.write(': keep-alive\n\n'); }, 15_000);
