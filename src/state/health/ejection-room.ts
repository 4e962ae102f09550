/** Fields of a row that decide if one more may be ejected. */
interface RoomRow {
  readonly isAway: boolean;
  readonly isDead: boolean;
}

/**
 * True if one more endpoint may be ejected. A dead one always may, unless there is no other:
 * keeping it in only costs requests, and if all are dead all are tried alike. Of the living a share
 * may, and never the last one, since evidence can be wrong.
 */
export function hasEjectionRoom(
  row: RoomRow,
  rows: Iterable<RoomRow>,
  { ejectedRatioMax, isDead }: { readonly ejectedRatioMax: number; readonly isDead: boolean },
): boolean {
  let count = 0;
  let living = 0;
  let away = 0;
  for (const other of rows) {
    count += 1;
    if (other.isDead && other !== row) continue;
    living += 1;
    if (other.isAway && other !== row) away += 1;
  }
  if (isDead) return count > 1;
  const allowed = Math.min(living - 1, Math.max(1, Math.floor(living * ejectedRatioMax)));
  return ejectedRatioMax > 0 && away < allowed;
}
