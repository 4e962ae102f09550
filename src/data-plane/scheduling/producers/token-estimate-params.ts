import { z } from "zod";

/** Pixels of a picture or frame whose size nobody tells: what the peer assumes. */
const defaultWidthPixels = 640;
const defaultHeightPixels = 360;
/** Pixels that one token stands for. */
const pixelsPerToken = 1_024;

const resolution = z.strictObject({
  width: z.int().min(1).meta({ unit: "pixels", description: "Width." }),
  height: z.int().min(1).meta({ unit: "pixels", description: "Height." }),
});

const assumedResolution = resolution
  .default({ width: defaultWidthPixels, height: defaultHeightPixels })
  .meta({
    description: "Size assumed where nobody tells it.",
    tune: "Set the size that clients usually send.",
  });

const factor = z.strictObject({
  factor: z
    .int()
    .min(1)
    .default(pixelsPerToken)
    .meta({ unit: "pixels a token", description: "Pixels that one token stands for." }),
});

const image = z
  .strictObject({
    mode: z
      .enum(["dynamic", "static"])
      .default("dynamic")
      .meta({ description: "Tokens by size, or the same for every picture." }),
    defaultResolution: assumedResolution,
    dynamic: factor.prefault({}),
    static: z
      .strictObject({
        staticToken: z.int().min(0).meta({ unit: "tokens", description: "Tokens of a picture." }),
      })
      .optional(),
  })
  .refine(({ mode, static: fixed }) => mode === "dynamic" || fixed !== undefined, {
    path: ["static", "staticToken"],
    message: "mode static needs it",
  });

const tokensPerFrame = z
  .strictObject({
    mode: z
      .enum(["dynamic", "static"])
      .default("dynamic")
      .meta({ description: "Tokens by size, or the same for every frame." }),
    dynamic: factor.prefault({}),
    static: z
      .strictObject({
        numTokensPerFrame: z
          .int()
          .min(0)
          .meta({ unit: "tokens", description: "Tokens of a frame." }),
      })
      .optional(),
  })
  .refine(({ mode, static: fixed }) => mode === "dynamic" || fixed !== undefined, {
    path: ["static", "numTokensPerFrame"],
    message: "mode static needs it",
  });

const frames = z.strictObject({
  mode: z
    .enum(["sampled", "strided"])
    .default("sampled")
    .meta({ description: "Frames by time, or every so many frames of the source." }),
  minFrames: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "frames", description: "At least; 0 for none." }),
  maxFrames: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "frames", description: "At most; 0 for no limit." }),
  sampled: z
    .strictObject({
      sampleFPS: z
        .number()
        .gt(0)
        .default(2)
        .meta({ unit: "frames a second", description: "How often the engine samples." }),
      temporalPatchSize: z
        .int()
        .min(0)
        .default(0)
        .meta({ unit: "frames", description: "Frames merged into one; below 2 none." }),
    })
    .prefault({}),
  strided: z
    .strictObject({
      defaultSourceFPS: z.number().gt(0).default(24).meta({
        unit: "frames a second",
        description: "Rate of the source where nobody tells it.",
      }),
      frameStride: z
        .int()
        .min(1)
        .default(1)
        .meta({ unit: "frames", description: "Every so many frames one is taken." }),
    })
    .prefault({}),
});

const video = z.strictObject({
  defaultResolution: assumedResolution,
  defaultDuration: z
    .number()
    .gt(0)
    .default(10)
    .meta({ unit: "seconds", description: "Length assumed where nobody tells it." }),
  tokensPerFrame: tokensPerFrame.prefault({}),
  frames: frames.prefault({}),
  maxVideoTokens: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "tokens", description: "Tokens of a video at most; 0 for no limit." }),
});

/** What `token-producer` takes to estimate tokens without a tokenizer. */
export const estimateParams = z.strictObject({
  image: image.prefault({}),
  video: video.prefault({}),
});

export type EstimateParams = z.infer<typeof estimateParams>;
