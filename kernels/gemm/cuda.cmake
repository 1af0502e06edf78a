# Included where CUDA was found: the CUDA rows of the GEMM table.
target_sources(assay_gemm PRIVATE cuda_kernels.cpp)
assay_cuda_sources(assay_gemm mma_sm80.cu simt_f32.cu)
if(ASSAY_HAS_SM90)
  target_sources(assay_gemm PRIVATE wgmma_sm90.cpp wgmma_sm90_row.cpp wgmma_fp8_sm90.cpp wgmma_fp8_sm90_row.cpp)
  assay_cuda_sources(assay_gemm wgmma_bf16_sm90.cu wgmma_f16_sm90.cu wgmma_tf32_sm90.cu wgmma_fp8_sm90.cu)
endif()
assay_cuda_sources(assay_gemm tcgen05_sm100.cu tcgen05_scaled_sm100.cu)
if(ASSAY_HAS_CUBLASLT)  # its header; the library itself is loaded at run time
  target_sources(assay_gemm PRIVATE cublaslt.cpp cublaslt_library.cpp cublaslt_matmul.cpp)
  target_include_directories(assay_gemm SYSTEM PRIVATE ${ASSAY_CUBLASLT_INCLUDE})
  set_source_files_properties(cublaslt_library.cpp PROPERTIES
    COMPILE_DEFINITIONS ASSAY_CUDA_LIBRARY_DIR="${CUDAToolkit_LIBRARY_DIR}")
endif()
