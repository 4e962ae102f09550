/** Milliseconds of a duration as Protobuf writes it in JSON, such as `0.200s`; undefined for anything else. */
export function durationMsOf(value: unknown): number | undefined {
  const [, seconds] =
    typeof value === "string" ? (/^(\d+(?:\.\d{1,9})?)s$/u.exec(value) ?? []) : [];
  return seconds === undefined ? undefined : Number(seconds) * 1_000;
}
