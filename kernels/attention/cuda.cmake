# The CUDA rows of the attention table; included where CUDA was found.
# Launch plans are built for every architecture: tests run them on the functional GPU.
target_sources(assay_attention PRIVATE cuda_kernels.cpp mma_sm80_row.cpp mma_sm80_backward.cpp
               mma_sm80_backward_row.cpp simt_f32_row.cpp wgmma_sm90_forward.cpp wgmma_sm90_backward.cpp
               tcgen05_sm100_forward.cpp)
assay_cuda_sources(assay_attention mma_sm80.cu mma_sm80_backward.cu simt_f32.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_attention PRIVATE wgmma_sm90_forward_row.cpp wgmma_sm90_backward_row.cpp)
  assay_cuda_sources(assay_attention wgmma_forward_bf16_sm90.cu wgmma_forward_f16_sm90.cu
                     wgmma_forward_e4m3_sm90.cu wgmma_sm90_backward_sm90.cu)
endif()
if(ASSAY_HAS_SM100)
  target_sources(assay_attention PRIVATE tcgen05_sm100_forward_row.cpp)
  assay_cuda_sources(assay_attention tcgen05_forward_bf16_sm100.cu tcgen05_forward_f16_sm100.cu
                     tcgen05_forward_e4m3_sm100.cu)
endif()
if(ASSAY_HAS_CUDNN)  # its header; the library itself is loaded at run time
  target_sources(assay_attention PRIVATE cudnn.cpp cudnn_attention_graph.cpp cudnn_graph.cpp cudnn_library.cpp)
  target_include_directories(assay_attention SYSTEM PRIVATE ${ASSAY_CUDNN_INCLUDE})
  set_source_files_properties(cudnn_library.cpp PROPERTIES
    COMPILE_DEFINITIONS ASSAY_CUDA_LIBRARY_DIR="${CUDAToolkit_LIBRARY_DIR}")
endif()
