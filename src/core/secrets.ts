/** One value of a Secret of the cluster: a name, and never the value. */
export interface SecretRef {
  /** Undefined: the namespace that the picker follows. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly key: string;
}

/** Values of Secrets by `secretKeyOf`; one that is not known is missing. Never logged, never shown. */
export type SecretValues = ReadonlyMap<string, string>;

export function secretKeyOf({ namespace = "", name, key }: SecretRef): string {
  return `${namespace}/${name}/${key}`;
}

/** Follows Secrets of the cluster. */
export interface SecretSource {
  /** Follows these from now on, and no others; tells `listener` all values whenever one is known or changes. */
  follow(refs: readonly SecretRef[], listener: (values: SecretValues) => void): void;
}
