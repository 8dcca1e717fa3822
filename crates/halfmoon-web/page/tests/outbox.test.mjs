import assert from 'node:assert/strict';
import test, { beforeEach } from 'node:test';

/** What of the browser the outbox needs: the storage that its windows share. */
let stored = new Map();
globalThis.localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, String(value)),
  removeItem: (key) => stored.delete(key),
  key: (k) => [...stored.keys()][k] ?? null,
  get length() { return stored.size; },
};
const { newKey, Outbox } = await import('../.tests/outbox.js');
const { Problem } = await import('../.tests/api.js');

beforeEach(() => { stored = new Map(); });

const letter = (item, at = Date.now()) => ({ at, id: `${item}.png`, kind: 'label', body: { annotator: 'Ann', key: newKey(), item, class: 1, seconds: 1, shown: {} } });
const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

/** An outbox whose server answers as `answer` says. */
function outbox(answer, adopted = async () => true) {
  const log = { sent: [], delivered: [], refused: [] };
  const box = new Outbox('photos', (l) => log.delivered.push(l.body.item), (l, problem) => log.refused.push([l.body.item, problem.status]), async (l) => {
    log.sent.push(l.body.item);
    return answer(l, log.sent.length);
  }, adopted);
  return { box, log };
}

test('answers are sent one after another in the order of the clicks', async () => {
  let together = 0;
  const { box, log } = outbox(async () => {
    together += 1;
    assert.equal(together, 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    together -= 1;
  });
  for (const item of [3, 1, 2]) box.add(letter(item, 1000 + log.sent.length));
  await settle();
  assert.deepEqual(log.delivered, [3, 1, 2]);
  assert.equal(box.waiting.value, 0);
  assert.equal(stored.size, 0);
});

test('an answer lies in the storage from the click until it is acknowledged', async () => {
  let acknowledge;
  const { box } = outbox(() => new Promise((resolve) => { acknowledge = resolve; }));
  box.add(letter(1));
  assert.equal(stored.size, 1);
  await settle();
  assert.equal(stored.size, 1);
  acknowledge({});
  await settle();
  assert.equal(stored.size, 0);
});

test('without a server it waits, and the same key is sent again', async () => {
  const keys = [];
  const { box, log } = outbox((l, n) => {
    keys.push(l.body.key);
    if (n === 1) throw new Problem(0, 'no answer');
    return {};
  });
  box.add(letter(1));
  await settle();
  assert.equal(box.waiting.value, 1);
  await box.flush();
  assert.deepEqual(log.delivered, [1]);
  assert.equal(keys[0], keys[1]);
  assert.match(keys[0], /^[0-9a-f]{32}$/);
});

test('a busy server and a missing token are waited for, a wrong class is told and not sent again', async () => {
  for (const status of [401, 429, 503]) {
    stored = new Map();
    const { box, log } = outbox(() => { throw new Problem(status, 'later'); });
    box.add(letter(1));
    await settle();
    assert.deepEqual([box.waiting.value, log.refused], [1, []]);
    clearTimeout(box.timer);
  }
  stored = new Map();
  const { box, log } = outbox((l) => { if (l.body.item === 1) throw new Problem(422, 'no such class'); return {}; });
  box.add(letter(1));
  box.add(letter(2));
  await settle();
  assert.deepEqual([box.waiting.value, log.refused, log.delivered], [0, [[1, 422]], [2]]);
});

test('an undo after a reload follows the answer that the reload interrupted', async () => {
  const before = outbox(() => new Promise(() => undefined));
  before.box.add(letter(7));
  const { box, log } = outbox(() => ({}));
  box.add({ at: Date.now(), id: '', kind: 'undo', body: { annotator: 'Ann', key: newKey(), item: 'undo' } });
  await settle();
  assert.deepEqual(log.sent, [7, 'undo']);
});

test('what an earlier page left is sent by the next one', async () => {
  const left = outbox(() => { throw new Problem(0, 'no answer'); });
  left.box.add(letter(7, Date.now() - 60_000));
  await settle();
  clearTimeout(left.box.timer);
  const { box, log } = outbox(() => ({}));
  assert.equal(box.waiting.value, 1);
  await box.flush();
  assert.deepEqual(log.delivered, [7]);
});

test('what another window sends at this moment is left to it', async () => {
  const other = outbox(() => new Promise(() => undefined));
  const { box, log } = outbox(() => ({}));
  other.box.add(letter(7));
  box.count();
  await box.flush();
  assert.deepEqual(log.sent, []);
  assert.equal(box.waiting.value, 1);
  clearTimeout(box.timer);
});

test('an answer left for another project at this address is not given to this one', async () => {
  const left = outbox(() => { throw new Problem(0, 'no answer'); });
  left.box.add(letter(7, Date.now() - 60_000));
  await settle();
  clearTimeout(left.box.timer);
  const { box, log } = outbox(() => ({}), async () => false);
  await box.flush();
  assert.deepEqual([log.sent, log.refused], [[], [[7, 409]]]);
});

test('a browser that keeps nothing still sends', async () => {
  const { setItem } = globalThis.localStorage;
  globalThis.localStorage.setItem = () => { throw new Error('full'); };
  try {
    const { box, log } = outbox(() => ({}));
    box.add(letter(1));
    await settle();
    assert.deepEqual(log.delivered, [1]);
  } finally {
    globalThis.localStorage.setItem = setItem;
  }
});
