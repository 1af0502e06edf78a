# Included where CUDA was found: the CUDA rows of the grouped GEMM table.
target_sources(assay_grouped_gemm PRIVATE cuda_kernels.cpp)
