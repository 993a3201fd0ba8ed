/* Counts fused multiply-adds of one core: 12 chains, enough to hide the latency of the instruction. */
#include <stdio.h>
#include <time.h>

typedef float lanes __attribute__((vector_size(sizeof(float) * LANES)));

int main(void) {
  lanes sums[12], a, b;
  for (int i = 0; i < LANES; i++) a[i] = 0.999f + i * 1e-6f, b[i] = 1e-7f;
  for (int i = 0; i < 12; i++) sums[i] = a;
  struct timespec begin, end;
  long rounds = 40000000;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (long i = 0; i < rounds; i++)
    for (int j = 0; j < 12; j++) sums[j] = sums[j] * a + b;
  clock_gettime(CLOCK_MONOTONIC, &end);
  float rest = 0;
  for (int i = 0; i < 12; i++) rest += sums[i][0];
  double seconds = (end.tv_sec - begin.tv_sec) + (end.tv_nsec - begin.tv_nsec) * 1e-9;
  printf("%.6g %g\n", 2.0 * 12 * LANES * rounds / seconds, rest);
}
