import { readFileSync } from 'node:fs';
import type { Precision } from '../service/src/domain/precision.ts';
import type { Variant } from './compiler/variants.ts';

/** Instruction sets as oneDNN names them in ONEDNN_MAX_CPU_ISA, weakest first. */
export const ISA_LEVELS = [
  'NONE',
  'SSE41',
  'AVX',
  'AVX2',
  'AVX2_VNNI',
  'AVX512_CORE',
  'AVX512_CORE_VNNI',
  'AVX512_CORE_BF16',
  'AVX512_CORE_AMX',
] as const;
export type Isa = (typeof ISA_LEVELS)[number];

/** Flags of /proc/cpuinfo that each level needs in addition to those of the levels below. */
const FLAGS: readonly (readonly [Isa, readonly string[]])[] = [
  ['SSE41', ['sse4_1']],
  ['AVX', ['avx']],
  ['AVX2', ['avx2', 'fma']],
  ['AVX2_VNNI', ['avx2', 'avx_vnni']],
  ['AVX512_CORE', ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl']],
  ['AVX512_CORE_VNNI', ['avx512f', 'avx512_vnni']],
  ['AVX512_CORE_BF16', ['avx512_vnni', 'avx512_bf16']],
  ['AVX512_CORE_AMX', ['amx_tile', 'amx_int8', 'amx_bf16']],
];

/** The facts that decide which variants a process can run. */
export interface Cpu {
  readonly model: string;
  readonly arch: string;
  /** The best instruction set that oneDNN uses: the CPU's, capped by ONEDNN_MAX_CPU_ISA. */
  readonly isa: Isa;
  /** False if the user disabled oneDNN, or TensorFlow is built without it. */
  readonly oneDnn: boolean;
}

export interface CpuSources {
  readonly environment?: NodeJS.ProcessEnv;
  /** Text of /proc/cpuinfo. */
  readonly cpuinfo?: string;
  readonly arch?: string;
}

/** Reads the CPU of this machine; tests pass the sources. */
export function readCpu({
  environment = process.env,
  cpuinfo = readCpuinfo(),
  arch = process.arch,
}: CpuSources = {}): Cpu {
  const model = /^model name[\t ]*:(.*)$/m.exec(cpuinfo)?.[1]?.trim() ?? `unknown ${arch} CPU`;
  const native = isaLevels(cpuinfo).at(-1) ?? 'NONE';
  const cap = ISA_LEVELS.indexOf((environment.ONEDNN_MAX_CPU_ISA ?? '').toUpperCase() as Isa);
  const isa = cap < 0 ? native : (ISA_LEVELS[Math.min(cap, ISA_LEVELS.indexOf(native))] ?? native);
  return { model, arch, isa, oneDnn: arch === 'x64' && environment.TF_ENABLE_ONEDNN_OPTS !== '0' };
}

/** The levels of ONEDNN_MAX_CPU_ISA that a CPU has, weakest first. @param cpuinfo text of /proc/cpuinfo */
export function isaLevels(cpuinfo = readCpuinfo()): Isa[] {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.trim().split(/\s+/) ?? []);
  return FLAGS.filter(([, needed]) => needed.every((flag) => flags.has(flag))).map(([isa]) => isa);
}

function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux: no instruction set is assumed.
    return '';
  }
}

const hasIsa = ({ isa }: Cpu, least: Isa) => ISA_LEVELS.indexOf(isa) >= ISA_LEVELS.indexOf(least);

/** The variants of a precision that this CPU runs, fastest first; empty if it runs none. */
export function variantsOf(cpu: Cpu, precision: Precision): Variant[] {
  switch (precision) {
    case 'int8':
      // TensorFlow's quantised kernels use oneDNN even if TF_ENABLE_ONEDNN_OPTS=0.
      return cpu.arch === 'x64' && hasIsa(cpu, 'SSE41') ? ['int8'] : [];
    case 'bfloat16':
      return cpu.oneDnn && hasIsa(cpu, 'AVX512_CORE') ? ['bfloat16'] : [];
    case 'float32':
      // Below AVX2 oneDNN's float32 convolutions are slower than TensorFlow's own.
      if (cpu.arch !== 'x64' || !hasIsa(cpu, 'SSE41')) return ['float32-portable'];
      return cpu.oneDnn && hasIsa(cpu, 'AVX2')
        ? ['float32', 'float32-portable']
        : ['float32-portable', 'float32'];
  }
}

/** The requirement of each precision, for messages. */
export const NEEDED_FOR: Readonly<Record<Precision, string>> = {
  int8: 'an x86-64 CPU with SSE4.1',
  bfloat16: 'an x86-64 CPU with AVX-512, and oneDNN (TF_ENABLE_ONEDNN_OPTS is not 0)',
  float32: 'any CPU',
};

/** One line that names the CPU, for messages and the bench. */
export const describeCpu = ({ model, isa, oneDnn }: Cpu): string =>
  `${model}, ${isa}${oneDnn ? '' : ', oneDNN off'}`;

/**
 * The precisions to try for PRECISION=auto, best first. `npm run bench -- isa` shows that int8 is fastest at every level;
 * bfloat16 beats float32 only on CPUs that multiply it in hardware.
 *
 * @param int8 whether the model's int8 variant is accurate enough
 */
export function fastestPrecisions(cpu: Cpu, int8: boolean): Precision[] {
  const order: Precision[] = [
    ...(int8 ? (['int8'] as const) : []),
    ...(hasIsa(cpu, 'AVX512_CORE_BF16') ? (['bfloat16'] as const) : []),
    'float32',
  ];
  return order.filter((precision) => variantsOf(cpu, precision).length > 0);
}

/** Settings that TensorFlow reads from the process environment when it is loaded. */
const TENSORFLOW_SETTINGS: Readonly<Record<string, string>> = {
  // TensorFlow enables oneDNN by default only on CPUs with AVX-512 VNNI; it is faster on others, too.
  TF_ENABLE_ONEDNN_OPTS: '1',
  // These networks are chains, so a second thread for other nodes only costs wake-ups.
  TF_NUM_INTEROP_THREADS: '1',
  // The thread that runs a node works as well, instead of waiting for the others.
  TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD: '1',
};

/**
 * Sets the variables that make TensorFlow fast, unless the user has set them. Call this in the main thread before any
 * thread loads the addon: changes of `process.env` in a worker thread do not reach the process environment.
 */
export function tuneTensorFlow(environment: NodeJS.ProcessEnv = process.env): void {
  for (const [name, value] of Object.entries(TENSORFLOW_SETTINGS)) environment[name] ??= value;
}
