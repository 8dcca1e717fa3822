/** A value that others watch. */
export class Cell<T> {
  private watchers: ((value: T) => void)[] = [];
  private held: T;

  constructor(value: T) {
    this.held = value;
  }

  get value(): T {
    return this.held;
  }

  set value(value: T) {
    this.held = value;
    for (const watcher of this.watchers) watcher(value);
  }

  /** Calls `watcher` with the present value, and at every change. */
  watch(watcher: (value: T) => void): void {
    this.watchers.push(watcher);
    watcher(this.held);
  }
}
