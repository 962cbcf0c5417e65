import type { Program } from './ops.ts';
import { type Context, cast, floatOf } from './values.ts';

/** The inputs of a class activation map, which is features x the class's column of the kernel. */
export interface ActivationMaps {
  /** The node before pooling, float32 [batch, rows, columns, channels]. */
  readonly features: string;
  /** Weight in weights.bin of the dense layer after pooling, shape [channels, classes]. */
  readonly kernel: string;
  readonly type: 'float32' | 'bfloat16';
}

/**
 * Adds the features of class activation maps (Zhou et al., 2016) for networks that end in global average pooling, one dense
 * layer and a softmax. A map is the dense layer applied to each place before pooling; its mean is the class's logit
 * without the bias. Every run fetches the features, because TensorFlow would keep a second copy of all filters for
 * another set of outputs.
 *
 * @returns undefined for other networks
 */
export function emitActivationMaps(context: Context, program: Program): ActivationMaps | undefined {
  const { graph, type } = context;
  const find = (name: string) => program.ops.find((op) => op.name === name);
  const last = find(program.output);
  const dense = last?.kind === 'activation' ? find(last.input) : undefined;
  const pooled = dense?.kind === 'dense' ? find(dense.input) : undefined;
  if (dense?.kind !== 'dense' || pooled?.kind !== 'global-average-pool') return undefined;
  const kernel = context.weights.nameOf(`${dense.name}/kernel`);
  if (kernel === undefined) return undefined;
  const features = cast(graph, floatOf(context, pooled.input), type, 'float32');
  graph.node('features', 'Identity', [features], { T: { type: 'float32' } });
  return { features: 'features', kernel, type };
}
