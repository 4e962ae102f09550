import {
  type BareNamespace,
  createNetworkNamespace,
  ip,
  type NetworkNamespace,
  openNamespace,
} from "../kube/network-namespace.ts";

const bridge = "pods";
const bridgeAddress = "10.1.0.1";
/** Pods have 10.1.0.2 to 10.1.255.254. */
const podsMax = 2 ** 16 - 3;

export interface PodNetwork extends BareNamespace {
  readonly address: string;
}

/** The network of a node: a namespace with a bridge, and one more for each pod on it. */
export class NodeNetwork {
  readonly node: NetworkNamespace = createNetworkNamespace();
  readonly #pods = new Set<PodNetwork>();
  #opened = 0;

  constructor() {
    const inNode = ["-n", this.node.name, "-batch", "-"];
    try {
      ip(inNode, [
        `link add ${bridge} type bridge`,
        `address add ${bridgeAddress}/16 dev ${bridge}`,
        `link set ${bridge} up`,
      ]);
    } catch (cause) {
      this.close();
      throw cause;
    }
  }

  openPod(): PodNetwork {
    this.#opened += 1;
    if (this.#opened > podsMax) throw new Error("a node has addresses for no more pods");
    const index = this.#opened;
    const address = `10.1.${(index + 1) >> 8}.${(index + 1) & 255}`;
    const namespace = openNamespace(`${this.node.name}-${index}`);
    const pod: PodNetwork = {
      ...namespace,
      address,
      close: () => {
        if (this.#pods.delete(pod)) namespace.close();
      },
    };
    this.#pods.add(pod);
    ip(
      ["-n", this.node.name, "-batch", "-"],
      [
        `link add pod${index} type veth peer name eth0 netns ${namespace.name}`,
        `link set pod${index} master ${bridge} up`,
      ],
    );
    ip(
      ["-n", namespace.name, "-batch", "-"],
      [
        `address add ${address}/16 dev eth0`,
        "link set eth0 up",
        "link set lo up",
        `route add default via ${bridgeAddress}`,
      ],
    );
    return pod;
  }

  close(): void {
    for (const pod of this.#pods) pod.close();
    this.node.close();
  }
}
