/**
 * What the browser keeps. Some browsers refuse storage (private windows, full disks): then this window's memory
 * stands in, and `isKept` says so, since a reload would lose what is there.
 */
const memory = new Map<string, string>();

export let isKept = true;

export function read(key: string): string | null {
  try {
    return localStorage.getItem(key) ?? memory.get(key) ?? null;
  } catch {
    return memory.get(key) ?? null;
  }
}

export function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    isKept = false;
    memory.set(key, value);
  }
}

export function remove(key: string): void {
  memory.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    isKept = false;
  }
}

/** All keys that begin with `prefix`. */
export function keys(prefix: string): string[] {
  const found = new Set([...memory.keys()]);
  try {
    for (let k = 0; k < localStorage.length; k++) found.add(localStorage.key(k) ?? '');
  } catch {
    isKept = false;
  }
  return [...found].filter((key) => key.startsWith(prefix));
}

/** What was written under `key`, or null where it is absent or no JSON. */
export function readJson<T>(key: string): T | null {
  try {
    return JSON.parse(read(key) ?? 'null') as T | null;
  } catch {
    return null;
  }
}
