;; Has Vault make wrapping tokens, as many as it can.
;;
;; request: read harm
;; status: 500
;; error: --storage-ops
;; serve: --storage-ops=10

(func $hostile (result i32)
  (loop $again
    (call $wrap-data (i32.const 2116) (i32.const 11) (i64.const 1000000000) (i32.const 64))
    (br $again))
  unreachable)
