import { ProtoReader, type Range } from "../../../std/proto-reader.ts";

/** Fields of the entries of maps, of `Value` and of `ListValue` (google/protobuf/struct.proto). */
const entryField = { key: 1, value: 2 };
const valueField = { null: 1, string: 3, list: 6 };
const listField = { values: 1 };

/** The only map of a `Metadata` and of a `Struct`: structs by namespace, and values by key. */
const mapField = 1;

/** A value of a struct, if it is one of these two kinds. */
interface Value {
  readonly string: string | undefined;
  readonly list: Range | undefined;
}

/** Reads one value of a `Metadata`, from the bytes of the message that brought it. */
export class MetadataReader {
  readonly #bytes: Buffer;
  readonly #metadata: Range;
  /** True if bytes that were read are no protobuf. */
  isBroken = false;

  constructor(bytes: Buffer, metadata: Range) {
    this.#bytes = bytes;
    this.#metadata = metadata;
  }

  /** The string under a key of a namespace; undefined if there is none. */
  string(namespace: string, key: string): string | undefined {
    return this.#value(namespace, key)?.string;
  }

  /** The strings in the list under a key, or its only string; undefined if there is no such key. */
  strings(namespace: string, key: string): readonly string[] | undefined {
    const value = this.#value(namespace, key);
    if (value === undefined) return undefined;
    return value.list === undefined ? [value.string ?? ""] : this.#listed(value.list);
  }

  #value(namespace: string, key: string): Value | undefined {
    const struct = this.#entry(this.#metadata, namespace);
    const value = struct && this.#entry(struct, key);
    return value && this.#valueAt(value);
  }

  /** The value of a map's entry; of a key that is repeated, the last one counts. */
  #entry(map: Range, key: string): Range | undefined {
    const entries = this.#reader(map);
    let found: Range | undefined;
    while (entries.next()) {
      if (entries.isBytes(mapField)) found = this.#valueUnder(key, entries) ?? found;
      else entries.skip();
    }
    this.isBroken ||= entries.isBroken;
    return found;
  }

  /** The value of an entry, if the entry has this key. */
  #valueUnder(key: string, { valueStart: start, valueEnd: end }: ProtoReader): Range | undefined {
    const entry = this.#reader({ start, end });
    let entryKey = "";
    let value: Range = { start, end: start };
    while (entry.next()) {
      const { valueStart, valueEnd } = entry;
      if (entry.isBytes(entryField.key))
        entryKey = this.#bytes.toString("utf8", valueStart, valueEnd);
      else if (entry.isBytes(entryField.value)) value = { start: valueStart, end: valueEnd };
      else entry.skip();
    }
    this.isBroken ||= entry.isBroken;
    return entryKey === key ? value : undefined;
  }

  /** A value, whose kinds are a oneof: the last one counts. */
  #valueAt(range: Range): Value {
    const reader = this.#reader(range);
    let string: string | undefined;
    let list: Range | undefined;
    while (reader.next()) {
      const { field, valueStart, valueEnd } = reader;
      if (field >= valueField.null && field <= valueField.list) {
        string = undefined;
        list = undefined;
      }
      if (reader.isBytes(valueField.string))
        string = this.#bytes.toString("utf8", valueStart, valueEnd);
      else if (reader.isBytes(valueField.list)) list = { start: valueStart, end: valueEnd };
      else reader.skip();
    }
    this.isBroken ||= reader.isBroken;
    return { string, list };
  }

  #listed(list: Range): readonly string[] {
    const reader = this.#reader(list);
    const strings: string[] = [];
    while (reader.next()) {
      const value = { start: reader.valueStart, end: reader.valueEnd };
      if (reader.isBytes(listField.values)) strings.push(this.#valueAt(value).string ?? "");
      else reader.skip();
    }
    this.isBroken ||= reader.isBroken;
    return strings;
  }

  #reader({ start, end }: Range): ProtoReader {
    return new ProtoReader(this.#bytes, start, end);
  }
}
