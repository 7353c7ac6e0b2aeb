;; Commits, and then gives an answer of 8 MiB that is expensive to read. A request that has committed cannot be run
;; again in the slow lane, so it must be there before it gives an answer.
;;
;; request: write harm
;; status: 500
;; error: not a JSON object

(func $hostile (result i32)
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  (if (call $failed (i32.const 64)) (then (return (call $pass-on (i32.const 64)))))
  (call $answer (call $repeat (i32.const 0x5b) (i32.const 8000000)) (i32.const 8000000)))
