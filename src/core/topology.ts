/** Names of the labels that say where an endpoint runs. */
export interface TopologyLabels {
  readonly hostname: string;
  readonly rack: string;
  readonly zone: string;
  readonly region: string;
}
