import { type Placed, UnorderedList } from "../../../../std/unordered-list.ts";

/**
 * Bounds the bytes of all bodies that are held at once. If there is no room, the largest body that is still arriving is
 * given up: a few large or slow ones then do not keep the many small ones out, and no body waits for another.
 */
export class BodyMemory {
  /** 0 for no limit. */
  readonly bytesMax: number;
  readonly #arriving = new UnorderedList<BodyClaim>();
  #heldBytes = 0;
  #refusedTotal = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bodies that were given up. */
  get refusedTotal(): number {
    return this.#refusedTotal;
  }

  /** Holds a body that arrives from now on; `refused` runs at most once, within `grow` of any claim. */
  claim(refused: () => void): BodyClaim {
    const claim = new BodyClaim(this, refused);
    this.#arriving.add(claim);
    return claim;
  }

  grow(claim: BodyClaim, bytes: number): void {
    this.#heldBytes += bytes;
    claim.bytes += bytes;
    while (this.bytesMax > 0 && this.#heldBytes > this.bytesMax) {
      const largest = this.#arriving
        .list()
        .reduce((most, each) => (each.bytes > most.bytes ? each : most), claim);
      this.#refusedTotal += 1;
      largest.free();
      largest.refused();
      if (largest === claim) return;
    }
  }

  settle(claim: BodyClaim): void {
    this.#arriving.delete(claim);
  }

  free(bytes: number): void {
    this.#heldBytes -= bytes;
  }
}

/** The part of the memory that one body takes. */
export class BodyClaim implements Placed {
  readonly #memory: BodyMemory;
  readonly refused: () => void;
  /** Kept by `UnorderedList`. */
  place = -1;
  bytes = 0;
  #state: "arriving" | "whole" | "free" = "arriving";

  constructor(memory: BodyMemory, refused: () => void) {
    this.#memory = memory;
    this.refused = refused;
  }

  /** More bytes have arrived. */
  grow(bytes: number): void {
    if (this.#state === "arriving") this.#memory.grow(this, bytes);
  }

  /** No more bytes will be held; those that are stay. */
  settle(): void {
    if (this.#state !== "arriving") return;
    this.#state = "whole";
    this.#memory.settle(this);
  }

  free(): void {
    this.settle();
    if (this.#state === "free") return;
    this.#state = "free";
    this.#memory.free(this.bytes);
  }
}
