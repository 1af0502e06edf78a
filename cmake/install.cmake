# `cmake --install` gives a folder that can be copied: bin/assay, the libraries a bare system lacks in lib/, configs/.
# The C library stays the system's (a copied one cannot be loaded); CUDA's libraries are loaded at run time if present.
if(NOT TARGET assay)
  return()
endif()
include(GNUInstallDirs)

# DT_RPATH rather than RUNPATH: it also serves the libraries our libraries need.
set_target_properties(assay PROPERTIES INSTALL_RPATH "$ORIGIN/../lib" RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
target_link_options(assay PRIVATE -Wl,--disable-new-dtags)

install(TARGETS assay RUNTIME_DEPENDENCY_SET assay_libraries RUNTIME DESTINATION bin)
install(RUNTIME_DEPENDENCY_SET assay_libraries DESTINATION lib
  POST_EXCLUDE_REGEXES [[/ld-linux[^/]*$]] [[/lib(c|m|dl|rt|pthread|resolv|util)\.so[^/]*$]] [[/libcuda\.so[^/]*$]])
if(TARGET assay_mpi)  # needs the MPI of the machine it runs on, and is loaded only under its launcher
  add_dependencies(assay assay_mpi)  # wherever the program is built, `mpirun assay` works
  set_target_properties(assay_mpi PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS assay_mpi LIBRARY DESTINATION lib)
endif()
install(DIRECTORY configs DESTINATION .)
install(FILES README.md LICENSE DESTINATION .)
