# The CUDA rows of the attention table; included where CUDA was found.
target_sources(assay_attention PRIVATE cuda_kernels.cpp mma_sm80_row.cpp simt_f32_row.cpp)
assay_cuda_sources(assay_attention mma_sm80.cu simt_f32.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_attention PRIVATE wgmma_sm90_forward.cpp wgmma_sm90_forward_row.cpp)
  assay_cuda_sources(assay_attention wgmma_forward_bf16_sm90.cu wgmma_forward_f16_sm90.cu)
endif()
