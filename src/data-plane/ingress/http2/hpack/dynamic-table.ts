import type { HeaderField } from "./header-field.ts";

/** Evicted places at the beginning of the list that are kept before the list is moved. */
const vacantMax = 64;

/** Headers that a peer has sent and may refer to again (RFC 7541, section 2.3.2); the oldest leave first. */
export class DynamicTable {
  /** Oldest first; the places before `#first` are vacant. */
  readonly #fields: (HeaderField | undefined)[] = [];
  #first = 0;
  #bytes = 0;
  #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#fields.length - this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The field that was added `age` fields before the last one; undefined if it has left or never was. */
  at(age: number): HeaderField | undefined {
    const place = this.#fields.length - 1 - age;
    return place < this.#first ? undefined : this.#fields[place];
  }

  add(field: HeaderField): void {
    this.#evictTo(this.#bytesMax - field.bytes);
    // A field that is larger than the table empties it and is not kept.
    if (field.bytes > this.#bytesMax) return;
    this.#fields.push(field);
    this.#bytes += field.bytes;
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evictTo(bytesMax);
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#first < this.#fields.length) {
      this.#bytes -= this.#fields[this.#first]?.bytes ?? 0;
      this.#fields[this.#first] = undefined;
      this.#first += 1;
    }
    if (this.#first <= vacantMax && this.#first < this.#fields.length) return;
    this.#fields.splice(0, this.#first);
    this.#first = 0;
  }
}
