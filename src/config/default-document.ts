/** The document in force if none is given: expected latency, with nothing to tune. */
export const defaultConfigText = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: expected-latency-scorer
- type: metrics-data-source
- type: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: expected-latency-scorer
`;
