# Filled in once there is a program to install.
