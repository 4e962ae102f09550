/** Reference to one value of a Secret of the cluster; never the value itself. */
export interface SecretRef {
  /** Undefined for the namespace that the picker follows. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly key: string;
}

/** Values of Secrets by `secretKeyOf`; unknown ones are missing. Never logged or displayed. */
export type SecretValues = ReadonlyMap<string, string>;

export function secretKeyOf({ namespace = "", name, key }: SecretRef): string {
  return `${namespace}/${name}/${key}`;
}

/** Follows Secrets of the cluster. */
export interface SecretSource {
  /** Follows exactly these from now on. Passes all known values to `listener` whenever one becomes known or changes. */
  follow(refs: readonly SecretRef[], listener: (values: SecretValues) => void): void;
}
