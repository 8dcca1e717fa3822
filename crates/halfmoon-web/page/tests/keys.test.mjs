import assert from 'node:assert/strict';
import test from 'node:test';
import { assignKeys, COMMANDS, keyOf } from '../.tests/keys.js';

const press = (key, code = '', more = {}) => keyOf({ key, code, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...more });

test('classes take 1 to 9, then 0, then letters that are no command', () => {
  const keys = assignKeys(Array.from({ length: 14 }, (_, k) => `class ${k}`));
  assert.deepEqual(keys, ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', 'a', 'd', 'e', 'f']);
});

test('a class named by a digit has that digit', () => {
  assert.deepEqual(assignKeys([...'0123456789']), [...'0123456789']);
  assert.deepEqual(assignKeys(['0', '1', 'unsure']), ['0', '1', '2']);
});

test('a class more leaves the keys of the others as they are', () => {
  const names = Array.from({ length: 40 }, (_, k) => `class ${k}`);
  for (let n = 1; n < 40; n++) assert.deepEqual(assignKeys(names.slice(0, n + 1)).slice(0, n), assignKeys(names.slice(0, n)));
});

test('no two of 200 classes share a key, none has a command, and the rest have none', () => {
  const keys = assignKeys(Array.from({ length: 200 }, (_, k) => `class ${k}`));
  const given = keys.filter((key) => key !== null);
  assert.equal(new Set(given).size, given.length);
  assert.ok(given.every((key) => !(key in COMMANDS)));
  // ten digits, and the 26 letters less u s b n m g r l x c i
  assert.equal(given.length, 10 + 26 - 11);
});

test('a Russian keyboard has the same shortcuts', () => {
  assert.equal(press('г', 'KeyU'), 'u');
  assert.equal(press('Ы', 'KeyS'), 's');
});

test('the digit row of a French keyboard needs no Shift', () => {
  assert.equal(press('&', 'Digit1'), '1');
  assert.equal(press('1', 'Digit1', { shiftKey: true }), '1');
  assert.equal(press('?', 'Digit1', { shiftKey: true }), '?');
});

test('a Dvorak keyboard goes by what is written on its keys', () => {
  assert.equal(press('u', 'KeyF'), 'u');
});

test('a key that is held down or has a modifier is no shortcut', () => {
  for (const more of [{ repeat: true }, { ctrlKey: true }, { metaKey: true }, { altKey: true }]) assert.equal(press('u', 'KeyU', more), null);
});
