;; Writes an entry that may be too large for storage, and commits it again and again.
;;
;; request: write harm
;; status: 400
;; error: --storage-ops
;; serve: --transfer-mib=4096
;; serve: --storage-ops=20
;; serve: --cpu-ms=2000

(memory $memory 40)
(func $hostile (result i32)
  (loop $again
    (call $put (i32.const 2112) (i32.const 3) (i32.const 65536) (i32.const 2000000) (i32.const 0) (i32.const 64))
    (call $commit (i32.const 128))
    (br_if $again (i32.eqz (call $failed (i32.const 64)))))
  (call $pass-on (i32.const 64)))
