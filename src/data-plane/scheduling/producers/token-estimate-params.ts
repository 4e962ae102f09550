import { z } from "zod";

/** Assumed width and height of a picture or frame of unknown size; the peer assumes the same. */
const defaultWidthPixels = 640;
const defaultHeightPixels = 360;
/** Pixels per token. */
const pixelsPerToken = 1_024;

const resolution = z.strictObject({
  width: z.int().min(1).meta({ unit: "pixels", description: "Width." }),
  height: z.int().min(1).meta({ unit: "pixels", description: "Height." }),
});

const assumedResolution = resolution
  .default({ width: defaultWidthPixels, height: defaultHeightPixels })
  .meta({
    description: "Size assumed if the request does not give it.",
    tune: "Set it to the size that clients usually send.",
  });

const factor = z.strictObject({
  factor: z
    .int()
    .min(1)
    .default(pixelsPerToken)
    .meta({ unit: "pixels per token", description: "Pixels per token." }),
});

const image = z
  .strictObject({
    mode: z
      .enum(["dynamic", "static"])
      .default("dynamic")
      .meta({ description: "Tokens by size, or a fixed number per picture." }),
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
    message: "required by mode static",
  });

const tokensPerFrame = z
  .strictObject({
    mode: z
      .enum(["dynamic", "static"])
      .default("dynamic")
      .meta({ description: "Tokens by size, or a fixed number per frame." }),
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
    message: "required by mode static",
  });

const frames = z.strictObject({
  mode: z
    .enum(["sampled", "strided"])
    .default("sampled")
    .meta({ description: "Frames by time, or every n-th frame of the source." }),
  minFrames: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "frames", description: "Minimum number of frames; 0 for none." }),
  maxFrames: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "frames", description: "Maximum number of frames; 0 for no limit." }),
  sampled: z
    .strictObject({
      sampleFPS: z
        .number()
        .gt(0)
        .default(2)
        .meta({ unit: "frames per second", description: "Sampling rate of the engine." }),
      temporalPatchSize: z.int().min(0).default(0).meta({
        unit: "frames",
        description: "Number of frames merged into one; below 2 for none.",
      }),
    })
    .prefault({}),
  strided: z
    .strictObject({
      defaultSourceFPS: z.number().gt(0).default(24).meta({
        unit: "frames per second",
        description: "Frame rate assumed if the request does not give it.",
      }),
      frameStride: z
        .int()
        .min(1)
        .default(1)
        .meta({ unit: "frames", description: "Takes one of this many frames." }),
    })
    .prefault({}),
});

const video = z.strictObject({
  defaultResolution: assumedResolution,
  defaultDuration: z
    .number()
    .gt(0)
    .default(10)
    .meta({ unit: "seconds", description: "Duration assumed if the request does not give it." }),
  tokensPerFrame: tokensPerFrame.prefault({}),
  frames: frames.prefault({}),
  maxVideoTokens: z
    .int()
    .min(0)
    .default(0)
    .meta({ unit: "tokens", description: "Maximum tokens of a video; 0 for no limit." }),
});

/** Parameters of `token-producer` for an estimate without a tokenizer. */
export const estimateParams = z.strictObject({
  image: image.prefault({}),
  video: video.prefault({}),
});

export type EstimateParams = z.infer<typeof estimateParams>;
