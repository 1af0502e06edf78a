// For functions that kernels and plain C++ (launch plans, tests) share.  C++17.
#pragma once

#ifdef __CUDACC__
#define ASSAY_HOST_DEVICE __host__ __device__
#else
#define ASSAY_HOST_DEVICE
#endif
