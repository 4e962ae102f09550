/** Resolves in the next turn of the event loop, when promises that have been kept have been heard. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
