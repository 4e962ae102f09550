/** Labels of an endpoint that tell where it runs. */
export interface TopologyLabels {
  readonly hostname: string;
  readonly rack: string;
  readonly zone: string;
  readonly region: string;
}
