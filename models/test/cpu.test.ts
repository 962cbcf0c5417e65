import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCpu, fastestPrecisions, readCpu, variantsOf } from '../cpu.ts';

const ZEN3 = 'model name\t: AMD EPYC 7R13\nflags\t\t: fpu sse4_1 avx fma avx2\n';
const ICE_LAKE = `model name\t: Xeon 8375C\nflags\t\t: sse4_1 avx fma avx2 avx512f avx512dq avx512bw avx512vl avx512_vnni\n`;
const ZEN4 = ICE_LAKE.replace('avx512_vnni', 'avx512_vnni avx512_bf16');
const SAPPHIRE_RAPIDS = ZEN4.replace('avx512_bf16', 'avx512_bf16 amx_tile amx_int8 amx_bf16');

const cpu = (cpuinfo: string, environment: NodeJS.ProcessEnv = {}, arch = 'x64') =>
  readCpu({ cpuinfo, environment, arch });

test('the instruction set is read from the flags of the CPU', () => {
  const levels = [ZEN3, ICE_LAKE, ZEN4, SAPPHIRE_RAPIDS, ''].map((each) => cpu(each).isa);
  assert.deepEqual(levels, ['AVX2', 'AVX512_CORE_VNNI', 'AVX512_CORE_BF16', 'AVX512_CORE_AMX', 'NONE']);
  assert.equal(cpu('model name : avx512_bf16\nflags : sse4_1\n').isa, 'SSE41');
});

test('ONEDNN_MAX_CPU_ISA caps the instruction set and never raises it', () => {
  assert.equal(cpu(ZEN4, { ONEDNN_MAX_CPU_ISA: 'avx2' }).isa, 'AVX2');
  assert.equal(cpu(ZEN3, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_AMX' }).isa, 'AVX2');
  assert.equal(cpu(ZEN3, { ONEDNN_MAX_CPU_ISA: 'nonsense' }).isa, 'AVX2');
});

test('the same variants are chosen for every CPU that differs in nothing that matters', () => {
  assert.deepEqual(variantsOf(cpu(ZEN3), 'int8'), ['int8']);
  assert.deepEqual(variantsOf(cpu(ZEN3), 'float32'), ['float32', 'float32-portable']);
  assert.deepEqual(variantsOf(cpu(ZEN3), 'bfloat16'), [], 'bfloat16 needs AVX-512');
  assert.deepEqual(variantsOf(cpu(ZEN3, { ONEDNN_MAX_CPU_ISA: 'SSE41' }), 'float32')[0], 'float32-portable');
});

test('with oneDNN switched off, float32 is portable first and int8 still runs', () => {
  const off = cpu(ZEN4, { TF_ENABLE_ONEDNN_OPTS: '0' });
  assert.equal(variantsOf(off, 'float32')[0], 'float32-portable');
  assert.deepEqual(variantsOf(off, 'int8'), ['int8']);
  assert.deepEqual(variantsOf(off, 'bfloat16'), []);
  assert.equal(describeCpu(off), 'Xeon 8375C, AVX512_CORE_BF16, oneDNN off');
});

test('arm64 runs the portable variant only', () => {
  const graviton = cpu('', {}, 'arm64');
  assert.deepEqual(fastestPrecisions(graviton, true), ['float32']);
  assert.deepEqual(variantsOf(graviton, 'float32'), ['float32-portable']);
});

test('auto takes int8 if it is accurate, and bfloat16 only where the CPU multiplies it', () => {
  assert.deepEqual(fastestPrecisions(cpu(ZEN3), true), ['int8', 'float32']);
  assert.deepEqual(fastestPrecisions(cpu(ZEN3), false), ['float32']);
  assert.deepEqual(fastestPrecisions(cpu(ICE_LAKE), false), ['float32']);
  assert.deepEqual(fastestPrecisions(cpu(ZEN4), true), ['int8', 'bfloat16', 'float32']);
  assert.deepEqual(fastestPrecisions(cpu(ZEN4), false), ['bfloat16', 'float32']);
});
