// One rounding to nearest changes a number by at most u of itself, u being the type's unit roundoff.  A sum of k
// products makes k roundings, each of a partial sum no larger than magnitude = sum |a_p b_p|.  In the worst case they
// all point one way: k u magnitude.  Roundings of unrelated numbers do not: as a random walk they add to about
// sqrt(k) u magnitude (Higham and Mary 2019, "A new approach to probabilistic rounding error analysis": lambda sqrt(k)
// u with a probability that grows towards 1 with lambda).  lambda = 2 is our choice of confidence; partial sums are
// mostly well below the magnitude, so a correct kernel sits far inside, and tensor cores, which truncate where
// a CPU rounds, still fit.  A kernel that loses one product in a thousand does not.
#include "harness/verify/allowed_error.h"

#include <algorithm>
#include <cmath>

namespace assay {

double smallest_step(DType out) {
  const DTypeInfo& type = info(out);
  // fp16 results are stored with gradual underflow: half of the smallest subnormal.  The other types have the exponents
  // of fp32, where processors may flush to zero: an error of up to the smallest normal number.
  return out == DType::f16 ? std::ldexp(1.0, type.min_exponent - type.significand_bits)
                           : std::ldexp(1.0, type.min_exponent);
}

double dot_product_allowed(std::int64_t k, double magnitude, DType accumulate, double reference, DType out) {
  const double sum = 2 * std::sqrt(double(k)) * unit_roundoff(accumulate) * magnitude;
  return sum + unit_roundoff(out) * std::abs(reference) + smallest_step(out);
}

// A step adds `step` products to the sum after cutting each addend, and the sum, at `significand_bits` below the
// largest of them, M: at 2^(1 - significand_bits) M, the unit here.  Over one run of r products:
//  - what is cut off the products has their signs, which are random: at most one unit each, evenly spread, so r of them
//    walk sqrt(r / 3) units; twice that with our lambda = 2;
//  - what is cut off the sum always shrinks it: one unit a step, r / step in all, which add up.
// M is the largest partial sum or product.  Partial sums of random sign walk to sqrt(r) times a root mean square
// product, which is at most 1.6 times the mean |product| = magnitude / r (1.57 for normal numbers, less for the other
// fills); 4 magnitude / sqrt(r) leaves room for walks 2.5 times that long, and products above it are as rare.  Runs are
// of one sign or the other: their errors walk over the k / r runs, again with lambda = 2 (and where blocks of k differ
// in size, by up to 2^4 either way, the largest few count most, which that covers as well).
double coarse_sum_allowed(std::int64_t k, double magnitude, const Accumulation& how) {
  if (how.significand_bits >= info(DType::f32).significand_bits) return 0;
  const double run = double(how.run > 0 ? std::min(how.run, k) : k), runs = double(k) / run;
  const double units = run / how.step + 1 + 2 * std::sqrt(run / 3);
  const double largest = std::min(1.0, 4 / std::sqrt(run)) * magnitude / runs;
  return units * std::ldexp(largest, 1 - how.significand_bits) * std::min(runs, 2 * std::sqrt(runs));
}

// Let D_i = initial + i value.  Two terms:
//  - every launch multiplies the same numbers and makes the same error again, so these add up without averaging out;
//  - storing D_i rounds it once; a kernel that starts its sum from D_i, or adds to it block by block of k, rounds up
//    to k times at the size of D_i, as a random walk within one launch: (1 + 2 sqrt(k)) u |D_i|.  While D stays within
//    one power of two, adding the same numbers leaves the same remainders, so these do not average out over launches
//    either.
// |D_i| <= |initial| + i |value| gives their sum in closed form.
double accumulated_allowed(std::int64_t k, std::int64_t launches, double initial, double value, double magnitude,
                           DType accumulate) {
  const double n = double(launches), u = unit_roundoff(accumulate);
  const double one_launch = dot_product_allowed(k, magnitude, accumulate, value, accumulate);
  const double sum = n * std::abs(initial) + std::abs(value) * n * (n + 1) / 2;
  return n * one_launch + (1 + 2 * std::sqrt(double(k))) * u * sum;
}

}  // namespace assay
