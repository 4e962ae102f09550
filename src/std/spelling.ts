/** The candidate closest to `word`, if it is close enough to be a typing error. */
export function closestTo(word: string, candidates: Iterable<string>): string | undefined {
  // A third of the letters wrong is a different word, not a misspelt one.
  let bestEdits = Math.floor(word.length / 3) + 1;
  let best: string | undefined;
  for (const candidate of candidates) {
    // Each letter too many is an edit, so a far longer word needs no table of its letters.
    if (Math.abs(candidate.length - word.length) >= bestEdits) continue;
    const edits = editsBetween(word, candidate);
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and substitutions that turn one into the other. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
