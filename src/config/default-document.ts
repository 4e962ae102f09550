/** The document in force if none is given: expected latency, with nothing to tune. */
export const defaultConfigText = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: conversation-producer
  parameters:
    readsPrompt: false
- type: stored-response-filter
- type: expected-latency-scorer
- type: metrics-data-source
- type: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins:
  - pluginRef: stored-response-filter
  - pluginRef: expected-latency-scorer
`;
