import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flagHelp, type FlagTable, parseFlags } from "./flags.ts";

const table = {
  "pool-name": { kind: "string", initial: "", help: "Pool." },
  "grpc-port": { kind: "int", initial: 9002, min: 0, max: 65_535, help: "Port." },
  "slow-factor": { kind: "number", initial: 1, min: 0.5, help: "Factor." },
  "secure-serving": { kind: "boolean", initial: true, help: "TLS." },
  tracing: { kind: "boolean", initial: false, help: "Spans.", warning: "not built yet" },
  "drain-timeout": { kind: "duration", initial: 30_000, help: "Drain." },
  "body-limit": { kind: "bytes", initial: 64 * 1024 * 1024, help: "Body." },
  "message-limit": { kind: "bytes", initial: undefined, shownDefault: "none", help: "Message." },
  "target-ports": { kind: "list", initial: ["1", "2"], help: "Ports." },
  v: { kind: "int", initial: 2, aliases: ["verbosity"], help: "Verbosity." },
} as const satisfies FlagTable;

type Env = Readonly<Record<string, string>>;

const parse = (argv: readonly string[], env: Env = {}) => parseFlags(table, argv, env);

function parsed(argv: readonly string[], env: Env = {}) {
  const result = parse(argv, env);
  if (result.kind !== "parsed") throw new Error(JSON.stringify(result));
  return result;
}

function messageOf(argv: readonly string[], env: Env = {}): string {
  const result = parse(argv, env);
  return result.kind === "invalid" ? result.message : `no mistake: ${result.kind}`;
}

describe("parseFlags", () => {
  it("gives every flag its default", () => {
    expect(parsed([]).values).toEqual({
      "pool-name": "",
      "grpc-port": 9002,
      "slow-factor": 1,
      "secure-serving": true,
      tracing: false,
      "drain-timeout": 30_000,
      "body-limit": 67_108_864,
      "message-limit": undefined,
      "target-ports": ["1", "2"],
      v: 2,
    });
  });

  const spellings = ["--pool-name", "-pool-name", "--poolName", "-poolName", "--PoolName"];
  const forms = spellings.flatMap((name) => [[name, "llama"], [`${name}=llama`]]);
  it.each(forms.map((argv) => ({ argv })))("reads $argv", ({ argv }) => {
    expect(parsed(argv).values["pool-name"]).toBe("llama");
  });

  it.each([
    { argv: ["--slow-factor", "2.5"], name: "slow-factor", value: 2.5 },
    { argv: ["--drain-timeout=1m30s"], name: "drain-timeout", value: 90_000 },
    { argv: ["--body-limit", "10MiB"], name: "body-limit", value: 10_485_760 },
    { argv: ["--body-limit="], name: "body-limit", value: undefined },
    { argv: ["--message-limit", ""], name: "message-limit", value: undefined },
    { argv: ["--pool-name", ""], name: "pool-name", value: "" },
    { argv: ["--pool-name="], name: "pool-name", value: "" },
    { argv: ["--pool-name=a=b"], name: "pool-name", value: "a=b" },
    { argv: ["--pool-name=a\nb: c"], name: "pool-name", value: "a\nb: c" },
    { argv: ["--pool-name", "--grpc-port"], name: "pool-name", value: "--grpc-port" },
    { argv: ["--pool-name", "--help"], name: "pool-name", value: "--help" },
    { argv: ["-v", "4"], name: "v", value: 4 },
    { argv: ["-v=4"], name: "v", value: 4 },
    { argv: ["--verbosity=4"], name: "v", value: 4 },
  ] as const)("reads $argv as $value", ({ argv, name, value }) => {
    expect(parsed(argv).values[name]).toEqual(value);
  });

  it("lets the last of several values win, whatever their spelling", () => {
    const argv = ["--pool-name", "a", "-poolName=b", "--grpc-port", "1", "--pool-name", "c"];
    expect(parsed([...argv, "--grpcPort=2"]).values).toMatchObject({
      "pool-name": "c",
      "grpc-port": 2,
    });
  });

  it("adds up lists, given at once or one by one, in place of the default", () => {
    const argv = ["--target-ports", "8000,8001", "--targetPorts= 8002 , ,8003,"];
    expect(parsed(argv).values["target-ports"]).toEqual(["8000", "8001", "8002", "8003"]);
    expect(parsed(["--target-ports="]).values["target-ports"]).toEqual([]);
  });

  it.each([
    ["--tracing", true],
    ["-tracing", true],
    ["--tracing=true", true],
    ["--tracing=T", true],
    ["--tracing=1", true],
    ["--secure-serving=false", false],
    ["--secureServing=False", false],
    ["--secure-serving=f", false],
    ["--secure-serving=0", false],
  ])("reads the boolean %s as %s", (word, value) => {
    const { values } = parsed([word]);
    expect(word.includes("racing") ? values.tracing : values["secure-serving"]).toBe(value);
  });

  it("takes no word after a bare boolean for its value", () => {
    const { values, positionals } = parsed(["--secure-serving", "false", "--grpc-port", "1"]);
    expect(values).toMatchObject({ "secure-serving": true, "grpc-port": 1 });
    expect(positionals).toEqual(["false"]);
  });

  it("keeps the words that belong to no flag", () => {
    expect(
      parsed(["a", "", "--grpc-port", "1", "-", "-1", "--", "--pool-name", "b"]),
    ).toMatchObject({
      values: { "pool-name": "", "grpc-port": 1 },
      positionals: ["a", "", "-", "-1", "--pool-name", "b"],
    });
  });

  it.each(["--help", "-h", "-help"])("answers %s with help, whatever stands before it", (word) => {
    expect(parse(["--grpc-port", "1", word]).kind).toBe("help");
    expect(parse([word, "--bogus"]).kind).toBe("help");
  });

  it("takes no flag after -- for one", () => {
    expect(parse(["--", "--help", "--bogus"]).kind).toBe("parsed");
  });

  it("knows which flags were given, by the command line or the environment", () => {
    const { isSet } = parsed(["--grpcPort=9002"], { POINTSMAN_POOL_NAME: "a" });
    expect(isSet("grpc-port")).toBe(true);
    expect(isSet("pool-name")).toBe(true);
    expect(isSet("v")).toBe(false);
  });
});

describe("a mistake in the flags", () => {
  it.each([
    { argv: ["--bogus"], message: "unknown flag: --bogus" },
    { argv: ["-bogus"], message: "unknown flag: --bogus" },
    { argv: ["--bogus=1"], message: "unknown flag: --bogus" },
    { argv: ["--totallyBogus"], message: "unknown flag: --totallyBogus" },
    { argv: ["--bogus", "--help"], message: "unknown flag: --bogus" },
    { argv: ["--pool-nam"], message: "unknown flag: --pool-nam (did you mean --pool-name?)" },
    { argv: ["--constructor"], message: "unknown flag: --constructor" },
    { argv: ["--help=true"], message: "unknown flag: --help" },
    { argv: ["--pool-name"], message: "flag needs an argument: --pool-name" },
    { argv: ["--poolName"], message: "flag needs an argument: --pool-name" },
    {
      argv: ["--grpcPort", "x"],
      message: 'invalid argument "x" for --grpc-port: want a whole number',
    },
    {
      argv: ["--grpc-port", ""],
      message: 'invalid argument "" for --grpc-port: want a whole number',
    },
    {
      argv: ["--grpc-port=1.5"],
      message: 'invalid argument "1.5" for --grpc-port: want a whole number',
    },
    { argv: ["--grpc-port=-1"], message: 'invalid argument "-1" for --grpc-port: want 0 or more' },
    {
      argv: ["--grpc-port=65536"],
      message: 'invalid argument "65536" for --grpc-port: want 65535 or less',
    },
    {
      argv: ["--slow-factor=fast"],
      message: 'invalid argument "fast" for --slow-factor: want a number',
    },
    {
      argv: ["--slow-factor=Infinity"],
      message: 'invalid argument "Infinity" for --slow-factor: want a number',
    },
    {
      argv: ["--slow-factor=0"],
      message: 'invalid argument "0" for --slow-factor: want 0.5 or more',
    },
    {
      argv: ["--tracing=yes"],
      message: 'invalid argument "yes" for --tracing: want true or false',
    },
    { argv: ["--tracing="], message: 'invalid argument "" for --tracing: want true or false' },
    {
      argv: ["--drain-timeout=30"],
      message:
        'invalid argument "30" for --drain-timeout: want a duration such as 30s, 500ms or 1m30s',
    },
    {
      argv: ["--body-limit=big"],
      message:
        'invalid argument "big" for --body-limit: want a size such as 64MiB, 25MB or 4194304',
    },
  ])("is named: $argv", ({ argv, message }) => {
    expect(messageOf(argv)).toBe(message);
  });

  it("counts also where a later value is right", () => {
    expect(messageOf(["--grpc-port=x", "--grpc-port=1"])).toContain("--grpc-port");
  });
});

describe("the environment", () => {
  it("gives flags their values, of every kind", () => {
    const { values } = parsed([], {
      POINTSMAN_POOL_NAME: "llama",
      POINTSMAN_GRPC_PORT: "1",
      POINTSMAN_SECURE_SERVING: "false",
      POINTSMAN_DRAIN_TIMEOUT: "5s",
      POINTSMAN_TARGET_PORTS: "8000,8001",
      POINTSMAN_V: "5",
    });
    expect(values).toMatchObject({
      "pool-name": "llama",
      "grpc-port": 1,
      "secure-serving": false,
      "drain-timeout": 5_000,
      "target-ports": ["8000", "8001"],
      v: 5,
    });
  });

  it("loses to the command line, also to its default and for lists", () => {
    const env = {
      POINTSMAN_GRPC_PORT: "1",
      POINTSMAN_TARGET_PORTS: "8000",
      POINTSMAN_POOL_NAME: "env",
    };
    const argv = ["--grpcPort=9002", "--target-ports=9000", "--pool-name="];
    expect(parsed(argv, env).values).toMatchObject({
      "grpc-port": 9002,
      "target-ports": ["9000"],
      "pool-name": "",
    });
  });

  it("counts for nothing under other names", () => {
    expect(parsed([], { GRPC_PORT: "1", POINTSMAN_BOGUS: "1" }).values["grpc-port"]).toBe(9002);
  });

  it("has its mistakes named by the variable", () => {
    expect(messageOf([], { POINTSMAN_GRPC_PORT: "x" })).toBe(
      'invalid argument "x" for POINTSMAN_GRPC_PORT: want a whole number',
    );
  });

  it("is not read for a flag that the command line gives", () => {
    expect(parsed(["--grpc-port=1"], { POINTSMAN_GRPC_PORT: "x" }).values["grpc-port"]).toBe(1);
  });
});

describe("a flag that does nothing here", () => {
  it("is remarked on where it is asked for, once", () => {
    expect(parsed(["--tracing", "--tracing=true"]).warnings).toEqual(["--tracing: not built yet"]);
    expect(parsed([], { POINTSMAN_TRACING: "true" }).warnings).toEqual([
      "--tracing: not built yet",
    ]);
  });

  it("needs no remark where what happens anyway is asked for", () => {
    expect(parsed(["--tracing=false"]).warnings).toEqual([]);
    expect(parsed([]).warnings).toEqual([]);
  });
});

it("parseFlags never throws, whatever the words", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("--", "-", "", "=", "--=", "--=x", "--__proto__", "-v", "--v=", "--pool-name"),
    fc.string().map((text) => `--${text}`),
  );
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      expect(["parsed", "help", "invalid"]).toContain(parse(argv).kind);
    }),
    { numRuns: 500 },
  );
});

describe("flagHelp", () => {
  it("has two lines for each flag, its name and what it does; those that bring a warning come last", () => {
    expect(flagHelp(table).split("\n")).toEqual([
      "      --pool-name string",
      "            Pool.",
      "      --grpc-port int",
      "            Port. (default 9002)",
      "      --slow-factor number",
      "            Factor. (default 1)",
      "      --secure-serving",
      "            TLS. (default true)",
      "      --drain-timeout duration",
      "            Drain. (default 30s)",
      "      --body-limit bytes",
      "            Body. (default 64MiB)",
      "      --message-limit bytes",
      "            Message. (default none)",
      "      --target-ports list",
      "            Ports. (default 1,2)",
      "      --v int",
      "            Verbosity. (default 2)",
      "",
      "Flags of llm-d-router that are accepted with a warning, which says why:",
      "      --tracing",
      "            Spans. (default false) [not built yet]",
    ]);
  });

  it("writes defaults in the units in which they are read", () => {
    const help = flagHelp({
      name: { kind: "string", initial: "json", help: "Name." },
      wait: { kind: "duration", initial: 50, help: "Wait." },
      size: { kind: "bytes", initial: 1_000, help: "Size." },
    });
    expect(help).toContain('Name. (default "json")');
    expect(help).toContain("Wait. (default 50ms)");
    expect(help).toContain("Size. (default 1000)");
  });
});
