;; Writes, and answers with a number that does not fit a 64-bit float: Vault could not decode it after the write.
;;
;; request: write harm
;; status: 500
;; error: number

(data (i32.const 4096) "{\22a\22:1e400}")
(func $hostile (result i32)
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $answer (i32.const 4096) (i32.const 11)))
