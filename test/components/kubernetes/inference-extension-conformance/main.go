// Command inference-extension-conformance only holds the conformance suite in go.mod: the suite is
// a test of its own package, and `go test -c` makes its binary.
package main

import _ "sigs.k8s.io/gateway-api-inference-extension/conformance"

func main() {}
