/** A number about a response. */
export interface ReportedNumber {
  readonly namespace: string;
  readonly name: string;
  readonly value: number;
}

/** Numbers about a response for the proxy's dynamic metadata, by namespace and name. */
export type ResponseMetadata = ReadonlyMap<string, ReadonlyMap<string, number>>;
