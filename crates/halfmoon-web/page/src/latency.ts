/** Milliseconds from a key press to the next item's first frame: `window.halfmoon.latencies`. */

declare global {
  interface Window {
    halfmoon: { latencies: number[] };
  }
}

let pressedAt: number | null = null;

export function pressed(event: Event): void {
  pressedAt = event.timeStamp;
}

export function forget(): void {
  pressedAt = null;
}

/** Call when the next item is in the page: the time is taken after the frame that shows it. */
export function shown(): void {
  const from = pressedAt;
  pressedAt = null;
  if (from === null) return;
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    // A message sent within a frame is received when that frame is painted.
    port1.onmessage = () => window.halfmoon.latencies.push(performance.now() - from);
    port2.postMessage(null);
  });
}

window.halfmoon = { latencies: [] };
