;; Logs lines of 12 MiB one after the other, without a loop or a function of its own in between.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --memory-mib=64
;; serve: --transfer-mib=4096
;; serve: --cpu-ms=100

;; It grows only for the harm: with this much memory from the start, all its requests would count as long, including the
;; neighbour's.
(func $hostile (result i32)
  (drop (memory.grow (i32.const 254)))
  @{200 (call $log (i32.const 2) (i32.const 0x100000) (i32.const 0xc00000) (i32.const 0) (i32.const 0))}
  (call $benign))
