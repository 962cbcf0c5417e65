import { readFileSync } from 'node:fs';

/** True when the CPU multiplies bfloat16 in hardware (AVX-512 BF16 or AMX on Linux x64); without it bfloat16 only costs time. */
export function cpuHasBfloat16(cpuinfo = readCpuinfo()): boolean {
  return /^flags\s*:.*\b(avx512_bf16|amx_bf16)\b/m.test(cpuinfo);
}

function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return ''; // Not Linux: such CPUs are not found elsewhere.
  }
}
