# The image of servers and nodes alike. It is made of parts that scripts/image has put together, so that building it needs
# no registry and no network: the program, linked statically, and busybox for the shell that pods expect.
FROM scratch
COPY target/image/ /
ENV PATH=/bin
ENTRYPOINT ["/bin/bosun"]
CMD ["--help"]
