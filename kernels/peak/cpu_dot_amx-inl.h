// The loop of cpu_dot_amx.cpp, for any tile unit.  No include guard and no namespace: included inside those of the unit
// `T` (kernels/common/cpu/amx_unit-inl.h).

/// Six sums, so that each waits for six products of 16 cycles and none for the 52 cycles it takes itself; two factors.
constexpr int kAmxChains = 6;
constexpr int kAmxSums = kAmxRegisterRows * kAmxRegisterRows;  // of a register
constexpr int kAmxProducts = 2 * kAmxRegisterRows;             // that a step adds to each sum

template <class T>
void run_dot_amx(std::int64_t steps, float one, float* accumulator) {
  alignas(64) std::uint16_t ones[kAmxRegisterRows * kAmxProducts];
  for (std::uint16_t& x : ones) x = float_to_bf16(one);
  T::configure();
  T::template load<0>(accumulator, kAmxRegisterBytes);
  T::template load<1>(accumulator + kAmxSums, kAmxRegisterBytes);
  T::template load<2>(accumulator + 2 * kAmxSums, kAmxRegisterBytes);
  T::template load<3>(accumulator + 3 * kAmxSums, kAmxRegisterBytes);
  T::template load<4>(accumulator + 4 * kAmxSums, kAmxRegisterBytes);
  T::template load<5>(accumulator + 5 * kAmxSums, kAmxRegisterBytes);
  T::template load<6>(ones, kAmxRegisterBytes);
  T::template load<7>(ones, kAmxRegisterBytes);
  for (std::int64_t step = 0; step < steps; ++step) {
    T::template dot<0, 6, 7>();
    T::template dot<1, 6, 7>();
    T::template dot<2, 6, 7>();
    T::template dot<3, 6, 7>();
    T::template dot<4, 6, 7>();
    T::template dot<5, 6, 7>();
  }
  T::template store<0>(accumulator, kAmxRegisterBytes);
  T::template store<1>(accumulator + kAmxSums, kAmxRegisterBytes);
  T::template store<2>(accumulator + 2 * kAmxSums, kAmxRegisterBytes);
  T::template store<3>(accumulator + 3 * kAmxSums, kAmxRegisterBytes);
  T::template store<4>(accumulator + 4 * kAmxSums, kAmxRegisterBytes);
  T::template store<5>(accumulator + 5 * kAmxSums, kAmxRegisterBytes);
  T::release();
}

template <class T>
constexpr ArithmeticLoop dot_amx_loop_on(const char* name) {
  return {name, kAmxChains * kAmxSums, kAmxProducts, run_dot_amx<T>};
}
