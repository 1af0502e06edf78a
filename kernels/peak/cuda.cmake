# The CUDA rows of the peak table; included where CUDA was found.
target_sources(assay_peak PRIVATE cuda_kernels.cpp)
assay_cuda_sources(assay_peak fma_f32.cu mma_sm80.cu stream.cu wgmma_sm90.cu tcgen05_sm100.cu)
