import { SessionTable } from "../../shared/session-table.ts";
import type { KeyedHash } from "./keyed-hash.ts";
import type { PromptSteps } from "./prompt-steps.ts";

/** Maximum number of places in prompts, about 250 bytes each; a conversation has 1 to 7, or 16 without messages. */
const placesMax = 100_000;
/** Maximum places that one prompt adds; the next prompt adds the ones after them. */
const newPlacesMax = 8;
/** Milliseconds without use after which a place is dropped. */
const placeTtlMs = 3_600_000;
/**
 * Recent branches from which on an opening is common to many conversations. A conversation that drops messages makes a
 * branch with each turn, so its count settles at 11 with one turn every 8 seconds.
 */
const branchesMin = 16;
/** Half-life of a branch in the count of branches, in milliseconds. */
const branchHalfLifeMs = 60_000;

/** A place in prompts: the end of a step, after the steps before it. */
interface Place {
  /** Id of the conversation that begins here; undefined if the place belongs to that of the place before it. */
  id: string | undefined;
  /** The first place seen after this one; it continues the conversation of this one, if others branch off. */
  first: string | undefined;
  /** The place that was last seen after this one. */
  last: string | undefined;
  /** Changes of `last`, decayed. */
  branches: number;
  branchedAtMs: number;
  /** True if several conversations share this place, so that each place after it has its own. */
  isShared: boolean;
}

/** Steps of one prompt, and when it came. */
export interface Walk {
  /** Sender, model and salt: prompts with different scopes share no conversation. */
  readonly scope: string;
  readonly steps: PromptSteps;
  readonly nowMs: number;
}

/**
 * Tells conversations apart by where their prompts leave what others share.
 *
 * A conversation begins with its opening, and its id is the hash of that: it stays the same without any memory. The
 * memory is for openings that several conversations share. A prompt may leave an opening in another way than the last
 * one because the client dropped or rewrote messages, which does not make a new conversation. If an older way is used
 * again after a newer one, or there are many ways, several conversations share the opening. The first way keeps the id
 * then, and each of the others gets its own.
 *
 * A prompt without messages has no opening. Its conversation begins where it leaves the other prompts.
 */
export class ConversationTree {
  readonly #hash: KeyedHash;
  readonly #places: SessionTable<Place>;

  constructor(hash: KeyedHash, max = placesMax) {
    this.#hash = hash;
    this.#places = new SessionTable<Place>({ ttlMs: placeTtlMs }, max);
  }

  get size(): number {
    return this.#places.size;
  }

  get droppedCount(): number {
    return this.#places.droppedCount;
  }

  /** The id of the conversation of a prompt; undefined if it has no steps. */
  idOf({ scope, steps: { texts, hasOpening }, nowMs }: Walk): string | undefined {
    let key = scope;
    let before: Place | undefined;
    let id: string | undefined;
    let newPlaces = 0;
    for (const text of texts) {
      if (newPlaces === newPlacesMax) break;
      key = this.#hash.of("step", key, text);
      const known = this.#places.get(key, nowMs);
      const place = known ?? newPlace(before === undefined ? key : undefined);
      if (known === undefined) {
        this.#places.set(key, place, nowMs);
        newPlaces += 1;
      }
      if (before !== undefined) {
        follow(before, key, { isKnown: known !== undefined, hasOpening, nowMs });
        if (before.isShared && before.first !== key) place.id ??= key;
      }
      id = place.id ?? id;
      before = place;
    }
    return id;
  }
}

function newPlace(id: string | undefined): Place {
  return {
    id,
    first: undefined,
    last: undefined,
    branches: 0,
    branchedAtMs: 0,
    isShared: false,
  };
}

interface Following {
  /** True if the next place was seen before. */
  readonly isKnown: boolean;
  readonly hasOpening: boolean;
  readonly nowMs: number;
}

/** Notes that a prompt goes on from `place` to `next`. */
function follow(place: Place, next: string, { isKnown, hasOpening, nowMs }: Following): void {
  if (place.last === next) return;
  if (place.first === undefined) place.first = next;
  else {
    const halfLives = (nowMs - place.branchedAtMs) / branchHalfLifeMs;
    place.branches = place.branches * 2 ** -halfLives + 1;
    place.branchedAtMs = nowMs;
    place.isShared ||= isKnown || !hasOpening || place.branches >= branchesMin;
  }
  place.last = next;
}
