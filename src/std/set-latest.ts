/**
 * Sets an entry and makes it the latest one of a map, which keeps the order in which entries came. If the map then has more than
 * `max`, the earliest one is dropped.
 */
export function setLatest<Key, Value>(
  map: Map<Key, Value>,
  [key, value]: readonly [Key, Value],
  max: number,
): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  for (const earliest of map.keys()) {
    map.delete(earliest);
    return;
  }
}
